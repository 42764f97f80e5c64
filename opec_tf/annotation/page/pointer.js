// What the mouse does on the stage: a press begins one of the gestures below, which follows it until it is let go.

import * as model from "./model.js";

const CLICK = 3; // screen pixels that a press may move and still be a click

export class Pointer {
  // act: what keys do, too ({ say }).
  constructor(stage, act) {
    Object.assign(this, { stage, view: stage.view, editor: stage.editor, act, gesture: null, last: null });
    const { svg } = stage;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.release(event));
    svg.addEventListener("pointercancel", () => this.end());
    svg.addEventListener("pointerleave", () => (this.last = null));
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("contextmenu", (event) => this.cycle(event));
  }

  // Where the pointer is in the picture; null where it is not over the stage.
  get place() {
    return this.last && this.view.toPicture(...this.last);
  }

  // Puts a joint of the active person where the pointer is.
  put(joint) {
    const { editor } = this;
    editor.change(model.withJointAt(editor.state, editor.size, editor.active, joint, ...this.place));
  }

  press(event) {
    if (!this.editor.size || this.gesture) return;
    const start = this.view.at(event), target = event.target.closest("[data-role]");
    const begin = event.button === 1 ? this.panning : event.button === 0 ? this.gestureOn(target) : null;
    if (!begin) return;
    event.preventDefault();
    this.stage.svg.setPointerCapture(event.pointerId);
    this.gesture = { start, moved: false, ...begin.call(this, start, target, event) };
  }

  gestureOn(target) {
    const { editor } = this, role = target?.dataset.role;
    if (editor.draftBox || !editor.state.pair_box && !editor.state.people.length) return this.boxing;
    if (role === "scale") return this.scaling;
    if (role === "turn") return this.turning;
    const person = Number(target?.dataset.person ?? -1);
    if (person >= 0 && person !== editor.active) return this.choosing;
    if (role === "joint") return this.joint;
    if (person === editor.active) return this.moving;
    return this.panning;
  }

  move(event) {
    this.last = this.view.at(event);
    if (!this.gesture) return this.hover(event);
    const { start } = this.gesture, [x, y] = this.last;
    if (Math.hypot(x - start[0], y - start[1]) > CLICK) this.gesture.moved = true;
    if (this.gesture.moved) this.gesture.follow?.(this.last, event);
  }

  release() {
    const { gesture } = this;
    if (!gesture) return;
    this.end();
    if (gesture.moved) gesture.finish?.();
    else gesture.click?.();
  }

  end() {
    this.gesture = null;
    this.stage.dragged = null;
    this.editor.commit();
  }

  // Ends a gesture that would go on in another picture; nothing of it is kept.
  drop() {
    this.gesture = this.stage.dragged = this.stage.hover = null;
  }

  hover(event) {
    const joint = event.target.closest("[data-role=joint]");
    const over = joint && Number(joint.dataset.person) === this.editor.active ? this.nearest(this.last) : null;
    if (over === this.stage.hover) return;
    this.stage.hover = over;
    this.stage.draw();
  }

  // The active person's joint that is nearest to a place; of several in one place the selected one.
  nearest([x, y]) {
    const distances = this.editor.person.map((joint, i) => {
      const [jointX, jointY] = this.view.toScreen(joint[0], joint[1]);
      return Math.hypot(jointX - x, jointY - y) - (i === this.editor.joint ? 2 : 0);
    });
    return distances.indexOf(Math.min(...distances));
  }

  // A function of a place: its distance in the picture from where a gesture began, however the view is zoomed meanwhile.
  distanceFrom(start) {
    const [startX, startY] = this.view.toPicture(...start);
    return (at) => {
      const [x, y] = this.view.toPicture(...at);
      return [x - startX, y - startY];
    };
  }

  boxing(start) {
    const { editor, view } = this;
    const corner = ([x, y]) => view.toPicture(x, y).map((value) => value + 0.5);
    const first = corner(start);
    let box = null;
    return {
      follow: (at) => {
        box = model.boxBetween(editor.size, first, corner(at));
        editor.draftBox = box ?? [first[0], first[1], 0, 0];
        editor.onChange(false);
      },
      finish: () => editor.takeBox(box),
    };
  }

  joint(start) {
    const { editor, stage } = this, joint = this.nearest(start);
    const from = editor.state, person = editor.active, [x, y] = editor.person[joint];
    const distance = this.distanceFrom(start);
    editor.select(person, joint);
    return {
      follow: (at) => {
        stage.dragged = joint;
        const [dx, dy] = distance(at);
        editor.settle(person, joint);
        editor.preview(model.withJointAt(from, editor.size, person, joint, x + dx, y + dy));
      },
    };
  }

  moving(start) {
    const { editor } = this, from = editor.state, person = editor.active;
    const distance = this.distanceFrom(start);
    return {
      follow: (at) => editor.preview(model.moved(from, editor.size, person, ...distance(at))),
      click: () => editor.select(person, null),
    };
  }

  // About the corner across; with Shift the two directions by themselves.
  scaling(start, target) {
    const { editor } = this, from = editor.state, person = editor.active, corner = Number(target.dataset.corner);
    const [left, top, right, bottom] = model.bounds(editor.person);
    const distance = this.distanceFrom(start);
    const fixed = [corner % 2 ? left : right, corner < 2 ? bottom : top];
    const held = [corner % 2 ? right : left, corner < 2 ? top : bottom].map((value, i) => value - fixed[i]);
    return {
      follow: (at, { shiftKey }) => {
        const [dx, dy] = distance(at);
        const ratio = (part, whole) => Math.max(0.05, 1 + part / (Math.abs(whole) < 1 ? Math.sign(whole || 1) : whole));
        let [sx, sy] = [ratio(dx, held[0]), ratio(dy, held[1])];
        const along = (dx * held[0] + dy * held[1]) / (held[0] ** 2 + held[1] ** 2 || 1);
        if (!shiftKey) sx = sy = Math.max(0.05, 1 + along);
        editor.preview(model.scaled(from, editor.size, person, fixed, sx, sy));
      },
    };
  }

  turning(start) {
    const { editor, view } = this, from = editor.state, person = editor.active;
    const middle = model.centre(editor.person);
    const angle = (at) => {
      const [x, y] = view.toPicture(...at);
      return (Math.atan2(y - middle[1], x - middle[0]) * 180) / Math.PI;
    };
    const first = angle(start);
    return {
      follow: (at) => editor.preview(model.turned(from, editor.size, person, middle, angle(at) - first)),
    };
  }

  // Another person is only made the active one, so that no joint of theirs is moved by mistake.
  choosing(_, target) {
    const person = Number(target.dataset.person);
    this.editor.select(person, null);
    return {};
  }

  panning() {
    let before = null;
    return {
      follow: (at) => {
        before ??= this.gesture.start;
        this.view.pan(at[0] - before[0], at[1] - before[1]);
        before = at;
        this.stage.draw();
      },
      click: () => this.editor.select(this.editor.active, null),
    };
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode ? 16 : 1;
    this.view.zoom(Math.exp(-event.deltaY * lines * 0.0016), this.view.at(event));
    this.stage.draw();
  }

  // The right button: visible, hidden, outside, one after the other.
  cycle(event) {
    event.preventDefault();
    const target = event.target.closest("[data-role=joint]");
    if (this.gesture || !target || Number(target.dataset.person) !== this.editor.active) return;
    const joint = this.nearest(this.view.at(event)), label = this.editor.person[joint][2];
    this.editor.select(this.editor.active, joint);
    const refused = this.editor.label((label + 2) % 3);
    if (refused) this.act.say(refused);
  }
}
