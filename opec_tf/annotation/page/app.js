// What keys, buttons and the mouse ask for: pictures are opened, changes saved, and what happens is said.

import * as api from "./api.js";
import { Editor } from "./editor.js";
import { connectButtons, keyTable, obey } from "./keys.js";
import { EMPTY, pairFrame, stateOf } from "./model.js";
import * as panel from "./panel.js";
import { Pointer } from "./pointer.js";
import { Saver, isSame } from "./saver.js";
import { Stage } from "./stage.js";
import { Suggestions } from "./suggestions.js";
import { askForToken } from "./token.js";
import { View } from "./view.js";

const { byId } = panel;
const MESSAGE_MS = 6000;

export class App {
  constructor(info) {
    this.pictures = info.pictures;
    this.current = -1;
    this.opening = 0;
    this.saver = new Saver((kind, message) => this.showSaving(kind, message));
    this.view = new View(byId("stage"));
    this.editor = new Editor(info, (isCommitted) => this.changed(isCommitted));
    this.stage = new Stage(byId("stage"), this.view, this.editor);
    this.pointer = new Pointer(this.stage, this);
    this.suggestions = new Suggestions(this.editor, (message) => this.say(message), () => this.showSides());
    const table = keyTable(this.editor, this.view, this);
    panel.showHelp(table);
    obey(table, (event) => this.isListening(event));
    panel.showPictures(this.pictures, (index) => this.open(index));
    connectButtons();
    new ResizeObserver(() => this.resize()).observe(byId("stage"));
    addEventListener("focus", () => this.saver.look().catch(() => {}));
    addEventListener("beforeunload", (event) => this.saver.isClean || event.preventDefault());
    byId("annotator").textContent = info.annotator;
    byId("skeleton").textContent = info.skeleton.name;
  }

  isListening(event) {
    if (event.target instanceof HTMLInputElement || byId("token-dialog").open) return false;
    if (!byId("help").open) return !this.pointer.gesture;
    return event.key === "?";
  }

  // Opens a picture once what was changed in the one before is saved; says so where it is not.
  async open(index) {
    if (index === this.current || !this.pictures[index]) return;
    if (!(await this.isLeft())) return this.say("this picture stays open until its last change is saved");
    const opening = ++this.opening, { name } = this.pictures[index];
    if (this.current >= 0) panel.showPicture(this.pictures[this.current], this.current, false);
    Object.assign(this, { current: index, asked: null, isLoading: true });
    this.pointer.drop();
    this.editor.clear();
    history.replaceState(null, "", `#${new URLSearchParams({ picture: name })}`);
    this.showHead();
    this.stage.leavePicture();
    this.showSides();
    panel.showBanner("");
    try {
      const [loaded, address] = await Promise.all([api.annotation(name, this.editor.info), api.pictureAddress(name)]);
      const image = new Image();
      image.src = address;
      await image.decode();
      if (opening !== this.opening) return URL.revokeObjectURL(address);
      this.show(name, loaded, address);
    } catch (error) {
      if (opening === this.opening) this.showFailure(error, () => this.reload());
    } finally {
      if (opening === this.opening) this.isLoading = false;
    }
  }

  show(name, { width, height, annotation }, address) {
    const size = { width, height }, { info } = this.editor;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = address;
    this.stage.showPicture(address, size);
    const key = `opec_tf draft ${info.annotator} ${info.folder} ${info.skeleton.name} ${name}`;
    const draft = this.saver.open(name, annotation ? annotation.revision : 0, key);
    this.editor.open(name, size, annotation ? stateOf(annotation) : EMPTY);
    this.showAll();
    this.showStatus(annotation ? (annotation.done ? "done" : "begun") : "new");
    if (draft) this.takeUp(draft, annotation);
    this.suggestions.ask(name, this.pictures[this.current + 1]?.name);
  }

  // An edit that this browser kept because it could not be saved.
  takeUp({ revision, annotation: kept }, saved) {
    if (saved && isSame(saved, kept)) return this.saver.drop();
    this.editor.state = stateOf(kept);
    this.saver.revision = revision;
    this.changed(true);
    this.say("an edit that was not saved before was kept by this browser; it is being saved now");
  }

  // Waits for a save that is under way.
  async isLeft() {
    for (let i = 0; i < 100 && this.saver.busy; i++) await new Promise((wake) => setTimeout(wake, 30));
    return this.saver.isClean && !this.saver.stale;
  }

  reload() {
    const { current } = this;
    this.saver.drop();
    this.saver.stale = this.saver.failed = false;
    this.current = -1;
    return this.open(current);
  }

  changed(isCommitted) {
    const { editor } = this;
    if (isCommitted) {
      this.asked = null;
      byId("message").hidden = true;
      this.saver.push(editor.file);
      this.showStatus(editor.state.done ? "done" : "begun");
    }
    this.stage.draw();
    this.frame ??= requestAnimationFrame(() => this.showSides());
  }

  // What stands beside the stage, at most once a frame.
  showSides() {
    this.frame = null;
    panel.showPeople(this.editor, this);
    byId("hint").textContent = panel.hintOf(this.editor);
    byId("done").classList.toggle("chosen", this.editor.state.done);
  }

  showStatus(status) {
    const picture = this.pictures[this.current];
    if (picture.status === status) return;
    picture.status = status;
    panel.showPicture(picture, this.current, true);
    panel.showProgress(this.pictures);
  }

  showHead() {
    const { name, reason } = this.pictures[this.current];
    panel.showPicture(this.pictures[this.current], this.current, true);
    panel.showProgress(this.pictures);
    byId("picture-name").textContent = name;
    byId("picture-count").textContent = `${this.current + 1} / ${this.pictures.length}`;
    byId("reason").textContent = reason ? `Annotators differ: ${reason}` : "";
    byId("reason").hidden = !reason;
  }

  showSaving(kind, message) {
    const choices = {
      stale: [["Load what was saved", () => this.reload()], ["Save mine instead", () => this.overwrite()]],
      failed: [["Try again", () => this.saver.retry()]],
    };
    panel.showSaving(kind, message, choices[kind] ?? []);
    if (kind === "failed" && message.includes("token")) askForToken(() => this.saver.retry());
  }

  showFailure(error, again) {
    panel.showBanner(String(error.message ?? error), [["Try again", again]], "failed");
    if (error.status === 404 || error.status === 422) this.showStatus("unreadable");
    if (error.status === 401) askForToken(again);
  }

  overwrite() {
    this.saver.overwrite().catch((error) => this.showSaving("failed", error.message));
  }

  say(message) {
    if (!message) return;
    byId("message").textContent = panel.asSentence(message);
    byId("message").hidden = false;
    clearTimeout(this.messageTimer);
    this.messageTimer = setTimeout(() => (byId("message").hidden = true), MESSAGE_MS);
  }

  go(step) {
    const index = this.current + step;
    if (!this.pictures[index]) return this.say(step > 0 ? "this is the last picture" : "this is the first picture");
    return this.open(index);
  }

  // The box is taken; else the picture is done, where something was left out at the second time of asking.
  enter() {
    const { editor } = this, picture = this.pictures[this.current];
    if (editor.draftBox) return editor.takeBox(editor.draftBox);
    if (this.isLoading) return;
    if (!editor.size) return this.openUndone();
    const count = editor.unsettled;
    const doubt = !editor.state.people.length ? "nobody is annotated here" : count ? `${count} joints were never touched` : "";
    if (doubt && !editor.state.done && this.asked !== doubt) {
      this.asked = doubt;
      return this.say(`${doubt}; Enter once more: done all the same`);
    }
    if (!editor.state.done) editor.change({ ...editor.state, done: true });
    else if (picture.reason) this.saver.push(editor.file); // looked at once more
    picture.reason = null;
    editor.forgetSettled();
    this.showHead();
    return this.openUndone();
  }

  openUndone() {
    const order = [...this.pictures.keys()].map((i) => (this.current + 1 + i) % this.pictures.length);
    const next = order.find((i) => panel.isWaiting(this.pictures[i]));
    if (next !== undefined) return this.open(next);
    const unreadable = this.pictures.filter(({ status }) => status === "unreadable").length;
    return this.say(`all ${this.pictures.length} pictures are done${unreadable ? ` but ${unreadable} that cannot be opened` : ""}`);
  }

  beginBox() {
    const { editor } = this;
    if (!editor.size) return;
    const { width, height } = editor.size;
    const middle = [width * 0.2, height * 0.1, width * 0.6, height * 0.8].map(Math.round);
    editor.draftBox = editor.state.pair_box ?? middle;
    editor.select(editor.active, null);
  }

  escape() {
    if (this.editor.draftBox) return this.editor.cancel();
    this.editor.select(this.editor.active, null);
  }

  choosePerson(index) {
    if (this.editor.state.people[index]) this.editor.select(index, null);
  }

  step(step) {
    this.editor.selectJoint(step);
    const { joint, person } = this.editor;
    if (person && joint !== null) this.view.reveal(person[joint][0], person[joint][1]);
    this.stage.draw();
  }

  placeJoint() {
    const { editor, pointer } = this;
    if (!editor.person || editor.joint === null) return this.say("select a joint first: click it, or press J");
    if (!pointer.place) return this.say("point at the joint's place in the picture first");
    editor.settle(editor.active, editor.joint);
    this.pointer.put(editor.joint);
    if (editor.joint < editor.skeleton.joints.length - 1) this.step(1);
    else editor.select(editor.active, null);
  }

  // Not while a joint is selected, where somebody may want to be rid of the joint.
  remove() {
    if (this.editor.joint !== null) return this.say("Delete removes the whole person: press Esc first, then Delete");
    return this.editor.removePerson();
  }

  showOthers() {
    const ways = ["dimmed", "hidden", "full"];
    this.editor.others = ways[(ways.indexOf(this.editor.others) + 1) % ways.length];
    this.say(`the other people: ${this.editor.others === "full" ? "in full" : this.editor.others}`);
    this.stage.draw();
  }

  undo() {
    if (!this.editor.undo()) this.say("nothing to undo");
  }

  redo() {
    if (!this.editor.redo()) this.say("nothing to redo");
  }

  zoom(factor) {
    const { person, joint } = this.editor;
    this.view.zoom(factor, person && joint !== null ? this.view.toScreen(...person[joint]) : undefined);
    this.stage.draw();
  }

  pan(dx, dy) {
    this.view.pan(dx, dy);
    this.stage.draw();
  }

  showAll() {
    if (this.editor.size) this.view.show([0, 0, this.editor.size.width, this.editor.size.height]);
    this.stage.draw();
  }

  showPair() {
    const box = pairFrame(this.editor.state);
    if (!box) return this.say("there is no pair yet");
    this.view.show(box);
    return this.stage.draw();
  }

  resize() {
    this.view.resize();
    this.stage.draw();
  }

  toggleHelp() {
    const help = byId("help");
    if (help.open) help.close();
    else help.showModal();
  }
}
