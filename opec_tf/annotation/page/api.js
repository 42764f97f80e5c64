// Requests to the server. The token comes behind the # of the address, and stays in this tab.

const KEPT = "opec_tf annotate token";

// A request that the server refused; status 0: it did not answer.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Takes the token out of the address, where it would be shown and bookmarked.
export function takeToken() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (parts.has("token")) {
    keepToken(parts.get("token"));
    parts.delete("token");
    history.replaceState(null, "", `#${parts}`);
  }
}

export function keepToken(token) {
  sessionStorage.setItem(KEPT, token);
}

export async function get(what, picture) {
  return (await ask(what, picture)).json();
}

// A picture's size and what was saved of it, by the annotator and in the skeleton that the page began with.
export async function annotation(picture, { annotator, skeleton }) {
  const answer = await get("annotation", picture);
  if (answer.annotator === annotator && answer.skeleton === skeleton.name) return answer;
  throw new Refused(409, `the command was started anew, for ${answer.annotator} and ${answer.skeleton}; reload the page`);
}

// A picture as an address that an <image> can show.
export async function pictureAddress(picture) {
  return URL.createObjectURL(await (await ask("picture", picture)).blob());
}

export async function put(picture, annotation) {
  const headers = { "Content-Type": "application/json" };
  return (await ask("annotation", picture, { method: "PUT", headers, body: JSON.stringify(annotation) })).json();
}

async function ask(what, picture, options = {}) {
  const token = sessionStorage.getItem(KEPT);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const query = picture === undefined ? "" : `?picture=${encodeURIComponent(picture)}`;
  let response;
  try {
    response = await fetch(`/api/${what}${query}`, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Refused(0, "the server does not answer; is the command still running?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(response.status, said.error ?? `the server answered ${response.status}`);
}
