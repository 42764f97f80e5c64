// Draws the picture and everything on it. Nothing is kept between two drawings but the picture.

import { HIDDEN, OUTSIDE, bounds } from "./model.js";

const SVG = "http://www.w3.org/2000/svg";
const PAD = 22; // from a person's joints to its frame, screen pixels
const KNOB = 30; // from the frame to the knob that turns

function node(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export class Stage {
  constructor(svg, view, editor) {
    Object.assign(this, { svg, view, editor, hover: null, dragged: null });
    this.image = svg.querySelector("image");
    this.overlay = svg.querySelector("#overlay");
  }

  // What is still shown is dimmed until the next picture is there.
  leavePicture() {
    this.image.classList.add("left-behind");
    this.draw();
  }

  showPicture(address, size) {
    this.image.classList.remove("left-behind");
    this.image.setAttribute("href", address);
    this.image.setAttribute("width", size.width);
    this.image.setAttribute("height", size.height);
  }

  // A person's frame on the screen: [left, top, right, bottom].
  frame(person) {
    const [left, top, right, bottom] = bounds(person);
    const [screenLeft, screenTop] = this.view.toScreen(left, top), [x, y] = this.view.toScreen(right, bottom);
    return [screenLeft - PAD, screenTop - PAD, x + PAD, y + PAD];
  }

  draw() {
    const { view, editor } = this;
    this.image.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
    this.image.classList.toggle("enlarged", view.scale > 3);
    const parts = [];
    if (editor.size) {
      parts.push(...this.pairBox());
      if (editor.person && editor.joint === null && !editor.draftBox) parts.push(this.frameArea());
      editor.state.people.forEach((_, i) => i !== editor.active && parts.push(...this.otherPerson(i)));
      if (editor.person) parts.push(this.activePerson());
    }
    this.overlay.replaceChildren(...parts);
  }

  pairBox() {
    const box = this.editor.draftBox ?? this.editor.state.pair_box;
    if (!box) return [];
    const [x, y] = this.view.toScreen(box[0] - 0.5, box[1] - 0.5);
    const [width, height] = [box[2] * this.view.scale, box[3] * this.view.scale];
    const drawn = this.editor.draftBox ? "pair-box drawn" : "pair-box";
    return [node("rect", { class: drawn, "data-role": "pair-box", x, y, width, height })];
  }

  frameArea() {
    const [left, top, right, bottom] = this.frame(this.editor.person);
    const place = { x: left, y: top, width: right - left, height: bottom - top, rx: 6 };
    return node("rect", { class: "frame", "data-role": "person", "data-person": this.editor.active, ...place });
  }

  otherPerson(index) {
    if (this.editor.others === "hidden") return [];
    const group = node("g", { class: `person other ${this.editor.others}`, "data-role": "other", "data-person": index });
    group.append(...this.bones(index), ...this.joints(index, 4), this.tag(index));
    return [group];
  }

  activePerson() {
    const { active, joint } = this.editor;
    const group = node("g", { class: "person active" }, ...this.bones(active), this.tag(active));
    if (joint === null && !this.editor.draftBox) group.append(...this.handles());
    group.append(...this.joints(active, 7));
    const named = this.hover ?? joint;
    if (named !== null) group.append(...this.nameOf(named));
    return group;
  }

  bones(person) {
    const joints = this.editor.state.people[person], names = this.editor.skeleton.joints;
    return this.editor.skeleton.bones.flatMap(([a, b]) => {
      const [x1, y1] = this.view.toScreen(...joints[a]), [x2, y2] = this.view.toScreen(...joints[b]);
      const isFaint = joints[a][2] === OUTSIDE || joints[b][2] === OUTSIDE;
      const kind = `${sideOf(names[a]) === sideOf(names[b]) ? sideOf(names[a]) : "middle"}${isFaint ? " faint" : ""}`;
      const ends = { x1, y1, x2, y2, "data-role": "bone", "data-person": person };
      return [node("line", { class: "halo", ...ends }), node("line", { class: `bone ${kind}`, ...ends })];
    });
  }

  joints(person, radius) {
    const { editor } = this, isActive = person === editor.active;
    const next = isActive ? editor.nextJoint(person) : null;
    const drawn = editor.state.people[person].map(([x, y, label], i) => {
      const [cx, cy] = this.view.toScreen(x, y);
      const kinds = ["joint", sideOf(editor.skeleton.joints[i]), label === HIDDEN ? "hidden" : label === OUTSIDE ? "outside" : "visible"];
      if (isActive && i === editor.joint) kinds.push("selected");
      if (i === this.dragged) kinds.push("dragged");
      const marks = { "data-role": "joint", "data-person": person, "data-joint": i, class: kinds.join(" ") };
      const group = node("g", { ...marks, transform: `translate(${cx} ${cy})` });
      if (i === next && editor.joint !== i) group.append(node("circle", { class: "next", r: radius + 7 }));
      group.append(...shapeOf(label, radius, isActive));
      return group;
    });
    // The selected one on top, where joints lie on one another.
    if (isActive && editor.joint !== null) drawn.push(...drawn.splice(editor.joint, 1));
    return drawn;
  }

  tag(person) {
    const joints = this.editor.state.people[person];
    const top = joints.reduce((best, joint) => (joint[1] < best[1] ? joint : best));
    const [x, y] = this.view.toScreen(top[0], top[1]);
    const at = { transform: `translate(${x} ${y - 26})`, class: "tag", "data-role": "tag", "data-person": person };
    return node("g", at, node("circle", { r: 10 }), node("text", { y: 4 }, String(person + 1)));
  }

  nameOf(joint) {
    const [x, y] = this.view.toScreen(...this.editor.person[joint]);
    const isLate = x > this.view.size[0] - 150;
    const at = { x: x + (isLate ? -14 : 14), y: y - 12, class: `name ${isLate ? "late" : ""}` };
    return [node("text", at, this.editor.jointName(joint))];
  }

  handles() {
    const [left, top, right, bottom] = this.frame(this.editor.person), middle = (left + right) / 2;
    const corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(([x, y], corner) =>
      node("rect", { class: "handle", "data-role": "scale", "data-corner": corner, x: x - 6, y: y - 6, width: 12, height: 12, rx: 3 }));
    const stem = node("line", { class: "stem", x1: middle, y1: top, x2: middle, y2: top - KNOB });
    return [stem, ...corners, node("circle", { class: "handle", "data-role": "turn", cx: middle, cy: top - KNOB, r: 7 })];
  }
}

export function sideOf(joint) {
  return joint.startsWith("left_") ? "left" : joint.startsWith("right_") ? "right" : "middle";
}

// What stands for a joint: a disc where it is visible, a ring where hidden, a cross outside; and a larger area to hit.
function shapeOf(label, radius, isActive) {
  const area = node("circle", { class: "area", r: isActive ? 12 : 8 });
  if (label === OUTSIDE) {
    const r = radius - 1, path = `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`;
    return [area, node("path", { class: "halo", d: path }), node("path", { class: "shape", d: path })];
  }
  return [area, node("circle", { class: "shape", r: radius }), node("circle", { class: "point", r: 1.2 })];
}
