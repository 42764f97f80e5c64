// What a picture's annotation is and how it changes: functions of a state that give a new one.
//
// A state is {pair_box, people, done} as in the annotators' files: people are lists of joints [x, y, v] in pixels whose
// centres are at integers; the box is [x, y, w, h] from the picture's outer edges.

export const OUTSIDE = 0, HIDDEN = 1, VISIBLE = 2;
export const LABELS = ["outside", "hidden", "visible"];
export const EMPTY = { pair_box: null, people: [], done: false };

// The state in an annotator's file.
export const stateOf = ({ pair_box, people, done }) => ({ pair_box, done, people: people.map(({ joints }) => joints) });

export const isInside = (size, x, y) => x >= -0.5 && y >= -0.5 && x <= size.width - 0.5 && y <= size.height - 0.5;

const rounded = (value) => Math.round(value * 100) / 100;
const clamped = (value, low, high) => Math.min(Math.max(value, low), high);

// A joint at a new place: outside as soon as it leaves the picture, visible when it comes back.
function placed(size, [oldX, oldY, label], newX, newY) {
  const x = rounded(clamped(newX, -size.width, 2 * size.width));
  const y = rounded(clamped(newY, -size.height, 2 * size.height));
  if (!isInside(size, x, y)) return [x, y, OUTSIDE];
  return [x, y, isInside(size, oldX, oldY) ? label : VISIBLE];
}

const withPersonAt = (state, index, person) => ({
  ...state,
  people: state.people.map((other, i) => (i === index ? person : other)),
});

export function withJointAt(state, size, index, joint, x, y) {
  const moved = state.people[index].map((old, i) => (i === joint ? placed(size, old, x, y) : old));
  return withPersonAt(state, index, moved);
}

// The joint's label; null where it lies outside the picture and so can have no other.
export function withLabel(state, size, index, joint, label) {
  const [x, y] = state.people[index][joint];
  if (label !== OUTSIDE && !isInside(size, x, y)) return null;
  return withPersonAt(state, index, state.people[index].map((old, i) => (i === joint ? [x, y, label] : old)));
}

// A person whose every joint goes through a function of (x, y).
export function transformed(state, size, index, move) {
  return withPersonAt(state, index, state.people[index].map((old) => placed(size, old, ...move(old[0], old[1]))));
}

export const moved = (state, size, index, dx, dy) => transformed(state, size, index, (x, y) => [x + dx, y + dy]);

export const scaled = (state, size, index, [cx, cy], sx, sy = sx) =>
  transformed(state, size, index, (x, y) => [cx + (x - cx) * sx, cy + (y - cy) * sy]);

export function turned(state, size, index, [cx, cy], degrees) {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const turn = (x, y) => [cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos];
  return transformed(state, size, index, turn);
}

// The mirror image of a person in its place: what was to the left is to the right.
export function mirrored(state, size, index) {
  const [cx] = centre(state.people[index]);
  return transformed(state, size, index, (x, y) => [2 * cx - x, y]);
}

// Left and right joints change places; nothing else moves.
export function swapped(state, index, mirror) {
  const person = state.people[index];
  return withPersonAt(state, index, mirror.map((other) => person[other]));
}

export const withPerson = (state, person) => ({ ...state, people: [...state.people, person] });

export const withoutPerson = (state, index) => ({ ...state, people: state.people.filter((_, i) => i !== index) });

// [left, top, right, bottom] of a person's joints.
export function bounds(person) {
  const xs = person.map(([x]) => x), ys = person.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export function centre(person) {
  const [left, top, right, bottom] = bounds(person);
  return [(left + right) / 2, (top + bottom) / 2];
}

// A box between two corners given in pixels of the picture's edges, within the picture; null where it is tiny.
export function boxBetween(size, [x1, y1], [x2, y2]) {
  const [left, right] = [x1, x2].map((x) => clamped(x, 0, size.width)).sort((a, b) => a - b);
  const [top, bottom] = [y1, y2].map((y) => clamped(y, 0, size.height)).sort((a, b) => a - b);
  if (right - left < 8 || bottom - top < 8) return null;
  return [left, top, right - left, bottom - top].map(rounded);
}

// The standing template in a box, in one of several places side by side.
export function templateIn(size, template, [left, top, width, height], place, places) {
  const widest = 2 * Math.max(...template.map(([x]) => Math.abs(x)));
  const tall = 0.96 * height;
  const wide = Math.min(tall, ((places > 1 ? 0.6 : 0.96) * width) / widest);
  const half = (wide * widest) / 2 + 0.02 * width;
  const middle = left + clamped((width * (place + 0.5)) / places, half, width - half);
  return template.map(([x, y]) => {
    const at = [middle + x * wide - 0.5, top + 0.02 * height + y * tall - 0.5];
    return placed(size, [0, 0, VISIBLE], ...at);
  });
}

// The pair to begin with in a box: suggested people of whom most lies in it, the rest templates.
export function pairIn(size, template, box, suggested) {
  const [left, top, width, height] = box;
  const isIn = ([x, y]) => x > left && x < left + width && y > top && y < top + height;
  const share = (person) => person.filter(isIn).length / person.length;
  const found = suggested.filter((person) => share(person) > 0.5).slice(0, 2)
    .map((person) => person.map(([x, y, v]) => [x, y, isInside(size, x, y) ? v : OUTSIDE]));
  const free = found.length === 1 ? [centre(found[0])[0] < left + width / 2 ? 1 : 0] : [0, 1].slice(found.length);
  const people = [...found, ...free.map((place) => templateIn(size, template, box, place, 2))];
  return people.sort((a, b) => centre(a)[0] - centre(b)[0]);
}

// The pair's box or, where none was drawn, the one around all joints; null where there is neither.
export function pairFrame({ pair_box, people }) {
  if (pair_box || !people.length) return pair_box;
  const [left, top, right, bottom] = bounds(people.flat());
  return [left, top, right - left + 1, bottom - top + 1];
}
