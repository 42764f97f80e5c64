// The picture that is open: its state, what is selected, undo and redo, and which joints have been looked at.

import { forget, keep, kept } from "./memory.js";
import * as model from "./model.js";

const STEPS_KEPT = 500;
const MERGED_MS = 800; // steps of one kind that follow each other so fast are undone together

export class Editor {
  // info: what the server says of the annotator and the skeleton; onChange(isCommitted): called after every change.
  constructor(info, onChange) {
    this.info = info;
    this.skeleton = info.skeleton;
    this.onChange = onChange;
    this.clear();
  }

  clear() {
    Object.assign(this, {
      picture: null, size: null, state: model.EMPTY, before: null, past: [], future: [], lastStep: {},
      active: 0, joint: null, draftBox: null, others: "dimmed", suggested: [], isAwaiting: false, settled: {},
    });
  }

  open(picture, size, state) {
    this.clear();
    Object.assign(this, { picture, size, state });
    this.settled = kept(this.memory) ?? {};
    this.onChange(false);
  }

  // The annotation's file, but for the revision.
  get file() {
    return {
      version: 1, picture: this.picture, annotator: this.info.annotator, width: this.size.width,
      height: this.size.height, skeleton: this.skeleton.name, done: this.state.done, pair_box: this.state.pair_box,
      people: this.state.people.map((joints) => ({ joints })),
    };
  }

  get person() {
    return this.state.people[this.active];
  }

  get memory() {
    return `opec_tf settled ${this.info.annotator} ${this.info.folder} ${this.skeleton.name} ${this.picture}`;
  }

  // A new state. kind: what it was, for steps that are undone together.
  change(state, kind = null) {
    if (state === this.state || state === null) return;
    const now = Date.now();
    const joins = kind && this.lastStep.kind === kind && now - this.lastStep.time < MERGED_MS;
    if (!joins) this.past = [...this.past, this.before ?? this.state].slice(-STEPS_KEPT);
    Object.assign(this, { state, before: null, future: [], lastStep: { kind, time: now } });
    this.active = Math.min(this.active, Math.max(state.people.length - 1, 0));
    this.onChange(true);
  }

  // A state on the way, as while something is dragged; commit() makes it one step.
  preview(state) {
    this.before ??= this.state;
    this.state = state;
    this.onChange(false);
  }

  commit() {
    if (this.before === null) return;
    const state = this.state;
    this.state = this.before;
    this.change(state);
  }

  cancel() {
    if (this.before !== null) [this.state, this.before] = [this.before, null];
    this.draftBox = null;
    this.onChange(false);
  }

  undo() {
    return this.step(this.past, this.future);
  }

  redo() {
    return this.step(this.future, this.past);
  }

  step(from, to) {
    if (!from.length) return false;
    to.push(this.state);
    this.state = from.pop();
    this.lastStep = {};
    this.active = Math.min(this.active, Math.max(this.state.people.length - 1, 0));
    this.onChange(true);
    return true;
  }

  // Takes a box; where there is nobody yet, the pair appears in it.
  takeBox(box) {
    this.draftBox = null;
    if (!box) return this.onChange(false);
    const people = this.state.people.length
      ? this.state.people
      : model.pairIn(this.size, this.skeleton.template, box, this.suggested);
    if (!this.state.people.length) {
      this.keepSettled({});
      this.select(0, null);
    }
    this.change({ ...this.state, pair_box: box, people });
  }

  addPerson() {
    const box = this.state.pair_box ?? [0, 0, this.size.width, this.size.height];
    const person = model.templateIn(this.size, this.skeleton.template, box, 0, 1);
    this.select(this.state.people.length, null);
    const active = this.active;
    this.keepSettled(Object.fromEntries(Object.entries(this.settled).filter(([key]) => Number(key.split(":")[0]) < active)));
    this.change(model.withPerson(this.state, person));
    this.select(active, null);
  }

  removePerson() {
    if (!this.person) return;
    const gone = this.active;
    const shifted = Object.entries(this.settled).filter(([key]) => !key.startsWith(`${gone}:`)).map(([key]) => {
      const [person, joint] = key.split(":").map(Number);
      return [`${person > gone ? person - 1 : person}:${joint}`, true];
    });
    this.keepSettled(Object.fromEntries(shifted));
    this.joint = null;
    this.change(model.withoutPerson(this.state, gone));
  }

  select(person, joint) {
    Object.assign(this, { active: person, joint });
    this.onChange(false);
  }

  selectPerson(step) {
    const count = this.state.people.length;
    if (count) this.select((this.active + step + count) % count, null);
  }

  // The next or previous joint; the one that is left counts as looked at.
  selectJoint(step) {
    if (!this.person) return;
    const count = this.skeleton.joints.length;
    if (this.joint !== null) this.settle(this.active, this.joint);
    const first = step > 0 ? (this.nextJoint(this.active) ?? 0) : count - 1;
    this.select(this.active, this.joint === null ? first : (this.joint + step + count) % count);
  }

  label(label) {
    if (this.joint === null || !this.person) return "select a joint first: click it, or press J";
    const state = model.withLabel(this.state, this.size, this.active, this.joint, label);
    if (!state) return "this joint lies outside the picture: drag it in first";
    this.settle(this.active, this.joint);
    if (this.person[this.joint][2] === label) this.onChange(false);
    else this.change(state);
    return null;
  }

  settle(person, joint) {
    if (!this.settled[`${person}:${joint}`]) this.keepSettled({ ...this.settled, [`${person}:${joint}`]: true });
  }

  keepSettled(settled) {
    this.settled = settled;
    keep(this.memory, settled);
  }

  // Of a picture that is done nothing need be kept.
  forgetSettled() {
    forget(this.memory);
  }

  isSettled(person, joint) {
    return this.state.done || Boolean(this.settled[`${person}:${joint}`]);
  }

  // The first joint of a person that was not looked at; null where all were.
  nextJoint(person) {
    const joint = this.skeleton.joints.findIndex((_, i) => !this.isSettled(person, i));
    return joint < 0 ? null : joint;
  }

  // How many joints nobody has looked at, of all people.
  get unsettled() {
    const joints = this.skeleton.joints.map((_, joint) => joint);
    return this.state.people.flatMap((_, person) => joints.filter((joint) => !this.isSettled(person, joint))).length;
  }

  jointName(joint) {
    return this.skeleton.joints[joint].replaceAll("_", " ");
  }
}
