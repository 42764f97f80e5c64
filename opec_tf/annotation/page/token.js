// Asks for the token where the address had none.

import { keepToken } from "./api.js";
import { byId } from "./panel.js";

export function askForToken(then) {
  const dialog = byId("token-dialog");
  if (!dialog.open) dialog.showModal();
  byId("token-form").onsubmit = (event) => {
    event.preventDefault();
    keepToken(byId("token").value);
    dialog.close();
    then();
  };
}
