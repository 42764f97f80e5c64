// Saves every change at once, one request after the other, and keeps what could not be saved.
//
// Told to its listener: "saved", "saving", "failed" (tried again by itself and by retry()) or "stale": somebody else
// saved the picture, and nothing more is sent until load() or overwrite() says whose state counts.

import * as api from "./api.js";
import { forget, keep, kept } from "./memory.js";

const RETRY_MS = 3000;
// Refusals that the same request would meet again.
const LASTING = [400, 401, 403, 404, 413, 415, 422];

export class Saver {
  constructor(listener) {
    this.tell = listener;
    this.pending = null;
    this.busy = false;
    this.stale = false;
  }

  // Begins with a picture at a revision; its draft, if the browser kept one, is given back.
  open(picture, revision, key) {
    clearTimeout(this.timer);
    Object.assign(this, { picture, revision, key, pending: null, stale: false, failed: false });
    this.tell("saved", "");
    return kept(key);
  }

  get isClean() {
    return !this.busy && this.pending === null;
  }

  push(annotation) {
    this.pending = annotation;
    keep(this.key, { revision: this.revision, annotation });
    this.send();
  }

  retry() {
    clearTimeout(this.timer);
    this.send();
  }

  // The state that the page has takes the place of what somebody else saved.
  async overwrite() {
    const { annotation } = await api.get("annotation", this.picture);
    this.revision = annotation ? annotation.revision : 0;
    this.stale = false;
    this.send();
  }

  // Drops what was not saved, since another state is to be loaded.
  drop() {
    this.pending = null;
    forget(this.key);
  }

  // Looks whether somebody else saved the picture, as after a while in another tab.
  async look() {
    if (!this.isClean || this.stale || !this.picture) return;
    const { picture, revision } = this;
    const { annotation } = await api.get("annotation", picture);
    if (picture !== this.picture || revision !== this.revision || !this.isClean) return;
    if ((annotation ? annotation.revision : 0) !== revision) {
      this.becomeStale("was saved elsewhere meanwhile, in another tab or browser; nothing was overwritten");
    }
  }

  async send() {
    if (this.busy || this.pending === null || this.stale) return;
    const sent = this.pending;
    [this.busy, this.pending] = [true, null];
    clearTimeout(this.timer);
    this.tell(this.failed ? "retrying" : "saving", "");
    try {
      this.revision = (await api.put(this.picture, { ...sent, revision: this.revision })).revision;
      this.failed = false;
    } catch (error) {
      await this.handle(error, sent);
    } finally {
      this.busy = false;
    }
    if (this.stale || this.failed) return;
    if (this.pending !== null) {
      keep(this.key, { revision: this.revision, annotation: this.pending });
      return this.send();
    }
    forget(this.key);
    this.tell("saved", "");
  }

  async handle(error, sent) {
    if (error.status === 409 && (await this.wasSavedByUs(sent))) return;
    this.pending ??= sent;
    keep(this.key, { revision: this.revision, annotation: this.pending });
    if (error.status === 409) return this.becomeStale(error.message);
    this.failed = true;
    this.tell("failed", error.message);
    if (!LASTING.includes(error.status)) this.timer = setTimeout(() => this.send(), RETRY_MS);
  }

  // The server may have saved a change and ended before it could say so.
  async wasSavedByUs(sent) {
    const { annotation } = await api.get("annotation", this.picture).catch(() => ({}));
    if (!annotation || !isSame(annotation, sent)) return false;
    this.revision = annotation.revision;
    this.failed = false;
    return true;
  }

  becomeStale(message) {
    this.stale = true;
    this.tell("stale", message);
  }
}

export function isSame(first, second) {
  const content = ({ pair_box, people, done }) => JSON.stringify([pair_box, people.map(({ joints }) => joints), done]);
  return content(first) === content(second);
}
