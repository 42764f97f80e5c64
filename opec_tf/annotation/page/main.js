// The page's start: who annotates what, and the picture that is opened first.

import * as api from "./api.js";
import { App } from "./app.js";
import { isWaiting, showBanner } from "./panel.js";
import { askForToken } from "./token.js";

async function begin() {
  api.takeToken();
  try {
    const info = await api.get("pictures");
    document.title = `${info.annotator} · annotate`;
    const app = new App(info);
    const asked = new URLSearchParams(location.hash.slice(1)).get("picture");
    const index = info.pictures.findIndex(({ name }) => name === asked);
    const first = info.pictures.findIndex(isWaiting);
    await app.open(index >= 0 ? index : Math.max(first, 0));
  } catch (error) {
    showBanner(error.message, [["Try again", begin]], "failed");
    if (error.status === 401) askForToken(begin);
  }
}

begin();
