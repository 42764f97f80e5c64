// Asks for the people that the model finds in a picture, and in the next one before it is opened.

import * as api from "./api.js";

export class Suggestions {
  // say(message): tells the annotator; onFound(): called when what is known of the open picture has changed.
  constructor(editor, say, onFound) {
    Object.assign(this, { editor, say, onFound, last: Promise.resolve() });
  }

  // One picture after the other, and none that was left meanwhile: the server would be busy with them when it has to save.
  ask(picture, following) {
    if (!this.editor.info.suggests) return;
    this.editor.isAwaiting = true;
    this.last = this.last.then(() => this.isOpen(picture) && this.find(picture, following));
  }

  isOpen(picture) {
    return this.editor.picture === picture;
  }

  async find(picture, following) {
    try {
      const { people } = await api.get("suggestions", picture);
      if (!this.isOpen(picture)) return;
      this.editor.suggested = people;
      if (!people.length && !this.editor.state.people.length) this.say("the model found nobody; a box gets templates");
    } catch (error) {
      if (this.isOpen(picture)) this.say(`no suggestions: ${error.message}`);
    }
    if (!this.isOpen(picture)) return;
    this.editor.isAwaiting = false;
    this.onFound();
    if (following) await api.get("suggestions", following).catch(() => {}); // what is wrong is said when it is opened
  }
}
