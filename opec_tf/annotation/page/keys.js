// Every action with its keys: one table, which the help shows and the page obeys.

import * as model from "./model.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 1, LARGE_STEP = 10; // pixels of the picture
const GROWTH = 1.04, FINE_GROWTH = 1.01;
const TURN = 5, FINE_TURN = 1; // degrees
const PAN = 60; // screen pixels
// What a key that is held down does once: nobody wants the next picture to be done, too.
const ONCE = new Set(["Enter", "Shift+Enter", "Space", "Delete", "Backspace", "a", "b", "d", "m", "s", "Ctrl+s", "?", "Shift+?"]);

// Groups of [keys as shown, what they do, [keys as browsers call them], action(event)].
export function keyTable(editor, view, app) {
  const scale = (factor) => () => editor.person && editor.change(
    model.scaled(editor.state, editor.size, editor.active, model.centre(editor.person), factor), "scale");
  const turn = (degrees) => () => editor.person && editor.change(
    model.turned(editor.state, editor.size, editor.active, model.centre(editor.person), degrees), "turn");
  const label = (value) => () => app.say(editor.label(value));
  const arrows = Object.keys(ARROWS);
  return [
    ["Pictures", [
      ["Enter", "the box is taken; else: done, and on to the next picture", ["Enter"], () => app.enter()],
      ["Shift + Enter", "not done any more", ["Shift+Enter"], () => editor.state.done && editor.change({ ...editor.state, done: false })],
      ["N / Page down", "next picture", ["n", "PageDown"], () => app.go(1)],
      ["P / Page up", "previous picture", ["p", "PageUp"], () => app.go(-1)],
    ]],
    ["The pair", [
      ["B", "a new box: arrows move it, Shift + arrows size it (with Ctrl by one pixel), or drag; Enter takes it", ["b"], () => app.beginBox()],
      ["A", "add a person", ["a"], () => editor.addPerson()],
      ["Delete", "remove the person", ["Delete", "Backspace"], () => app.remove()],
      ["Tab, 1 to 9", "the next person; the first to ninth", ["Tab"], () => editor.selectPerson(1)],
      [null, "", ["Shift+Tab"], () => editor.selectPerson(-1)],
      [null, "", [..."123456789"], (event) => app.choosePerson(Number(event.key) - 1)],
      ["D", "the others: dimmed, hidden, in full", ["d"], () => app.showOthers()],
    ]],
    ["A joint", [
      ["J / K", "next, previous joint", ["j"], () => app.step(1)],
      [null, "", ["k"], () => app.step(-1)],
      ["Arrows", "move it by 1 pixel, with Shift by 10", [...arrows, ...arrows.map((key) => `Shift+${key}`)], (event) => nudge(editor, view, event)],
      [null, "", [...arrows.map((key) => `Ctrl+${key}`), ...arrows.map((key) => `Ctrl+Shift+${key}`)], (event) => nudge(editor, view, event)],
      ["Space", "put it where the pointer is, and go on to the next", ["Space"], () => app.placeJoint()],
      ["V, H, O", "visible, hidden, outside; or click it with the right button", ["v"], label(model.VISIBLE)],
      [null, "", ["h"], label(model.HIDDEN)],
      [null, "", ["o"], label(model.OUTSIDE)],
      ["Esc", "none: back to the person as a whole", ["Escape"], () => app.escape()],
    ]],
    ["A person as a whole", [
      ["Arrows", "move by 1 pixel, with Shift by 10 (when no joint is selected)", [], null],
      [". / ,", "larger, smaller; with Shift by less", ["."], scale(GROWTH)],
      [null, "", [","], scale(1 / GROWTH)],
      [null, "", [":", "Shift+:", ">", "Shift+>"], scale(FINE_GROWTH)],
      [null, "", [";", "Shift+;", "<", "Shift+<"], scale(1 / FINE_GROWTH)],
      ["R / L", "turn right, left by 5 degrees; with Shift by 1", ["r"], turn(TURN)],
      [null, "", ["Shift+r"], turn(FINE_TURN)],
      [null, "", ["l"], turn(-TURN)],
      [null, "", ["Shift+l"], turn(-FINE_TURN)],
      ["M", "mirror: the pose's mirror image", ["m"], () => editor.person && editor.change(model.mirrored(editor.state, editor.size, editor.active))],
      ["S", "swap left and right: seen from behind", ["s"], () => editor.person && editor.change(model.swapped(editor.state, editor.active, editor.skeleton.mirror))],
    ]],
    ["View and history", [
      ["Z / Y", "undo, redo; also Ctrl + Z, Ctrl + Y", ["z", "Ctrl+z"], () => app.undo()],
      [null, "", ["y", "Ctrl+y", "Shift+z", "Ctrl+Shift+z"], () => app.redo()],
      ["+ / -", "zoom in, out; also the wheel", ["+", "Shift++", "="], () => app.zoom(1.25)],
      [null, "", ["-"], () => app.zoom(0.8)],
      ["0", "the whole picture", ["0"], () => app.showAll()],
      ["F", "the pair as large as it goes", ["f"], () => app.showPair()],
      ["Alt + arrows", "move the view; also a drag with the middle button, or beside the person", arrows.map((key) => `Alt+${key}`), (event) => app.pan(...ARROWS[event.key].map((part) => -PAN * part))],
      ["Ctrl + S", "save again what could not be saved", ["Ctrl+s"], () => app.saver.retry()],
      ["?", "this list", ["?", "Shift+?"], () => app.toggleHelp()],
    ]],
  ];
}

// Moves what is selected: the box that is being made, a joint, or the person.
function nudge(editor, view, event) {
  const [right, down] = ARROWS[event.key];
  if (editor.draftBox) return nudgeBox(editor, [right, down], event);
  if (!editor.person) return;
  const step = event.shiftKey ? LARGE_STEP : STEP;
  const [dx, dy] = [right * step, down * step];
  if (editor.joint === null) return editor.change(model.moved(editor.state, editor.size, editor.active, dx, dy), "move");
  const [x, y] = editor.person[editor.joint];
  editor.settle(editor.active, editor.joint);
  view.reveal(x + dx, y + dy);
  editor.change(
    model.withJointAt(editor.state, editor.size, editor.active, editor.joint, x + dx, y + dy), `joint ${editor.joint}`);
}

function nudgeBox(editor, [right, down], event) {
  const step = event.ctrlKey ? STEP : LARGE_STEP, { width, height } = editor.size;
  let [x, y, w, h] = editor.draftBox;
  if (event.shiftKey) [w, h] = [w + right * step, h + down * step];
  else [x, y] = [x + right * step, y + down * step];
  w = Math.min(Math.max(w, 8), width);
  h = Math.min(Math.max(h, 8), height);
  editor.draftBox = [Math.min(Math.max(x, 0), width - w), Math.min(Math.max(y, 0), height - h), w, h];
  editor.onChange(false);
}

// Listens to the keyboard. isOpen(): whether keys are the page's, and not those of a dialog or a text field.
export function obey(table, isOpen) {
  const actions = new Map(table.flatMap(([, rows]) => rows.flatMap(([, , keys, act]) => keys.map((key) => [key, act]))));
  document.addEventListener("keydown", (event) => {
    const name = nameOf(event), act = actions.get(name);
    if (!act || !isOpen(event)) return;
    event.preventDefault();
    if (!event.repeat || !ONCE.has(name)) act(event);
  });
}

// A key with what is held down; letters alike in both cases, Meta (of a Mac) as Ctrl.
function nameOf(event) {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const held = [["Ctrl", event.ctrlKey || event.metaKey], ["Alt", event.altKey], ["Shift", event.shiftKey]];
  return [...held.filter(([, down]) => down).map(([name]) => name), key].join("+");
}

// A button with a key does what the key does, and leaves the keyboard to the page.
export function connectButtons() {
  for (const button of document.querySelectorAll("button[data-key]")) {
    const { key } = button.dataset;
    button.tabIndex = -1;
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => document.dispatchEvent(new KeyboardEvent("keydown", { key })));
  }
}
