// The sides of the page: the list of pictures, the people and joints, how saving goes, what to do next, the help.

import { LABELS, VISIBLE } from "./model.js";
import { sideOf } from "./stage.js";

const SIGNS = { new: "○", begun: "◐", done: "●", unreadable: "!" };
const SHORT = { visible: "V", hidden: "H", outside: "O" };

// Whether a picture is still to be annotated, or once more since annotators differ.
export const isWaiting = ({ status, reason }) => status !== "unreadable" && (status !== "done" || Boolean(reason));

export const byId = (id) => document.getElementById(id);

// An element; a "click" among its attributes is a function, and does not take the keyboard.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "click") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  if (tag === "button") {
    made.tabIndex = -1;
    made.type = "button";
    made.addEventListener("mousedown", (event) => event.preventDefault());
  }
  made.append(...children);
  return made;
}

// The list of pictures; what changes in it later is shown by showPicture and showProgress.
export function showPictures(pictures, open) {
  byId("pictures").replaceChildren(...pictures.map(({ name, reason }, i) => {
    const marks = { class: "picture", "data-picture": name, title: reason ?? name };
    const button = element("button", { ...marks, click: () => open(i) }, element("span", { class: "sign" }), element("span", { class: "file" }, element("bdi", {}, name)));
    if (reason) button.append(element("span", { class: "reason" }, reason));
    return button;
  }));
  pictures.forEach((picture, i) => showPicture(picture, i, false));
}

export function showPicture({ status, reason }, index, isCurrent) {
  const button = byId("pictures").children[index];
  button.className = `picture ${status} ${isCurrent ? "current" : ""}`;
  button.querySelector(".sign").textContent = SIGNS[status];
  if (!reason) button.querySelector(".reason")?.remove();
  if (isCurrent) button.scrollIntoView({ block: "nearest" });
}

export function showProgress(pictures) {
  const done = pictures.filter(({ status }) => status === "done").length;
  byId("progress-text").textContent = `${done} of ${pictures.length} done`;
  byId("progress-bar").value = done / pictures.length;
}

export function showPeople(editor, app) {
  const tabs = editor.state.people.map((_, i) => {
    const chosen = i === editor.active ? "chosen" : "";
    return element("button", { class: `tab ${chosen}`, "data-tab": i, click: () => app.choosePerson(i) }, `Person ${i + 1}`);
  });
  tabs.push(element("button", { class: "tab add", title: "add a person (A)", "data-do": "add", click: () => editor.addPerson() }, "+"));
  byId("people").replaceChildren(...(editor.size ? tabs : []));
  byId("tools").hidden = !editor.person;
  byId("joints").replaceChildren(...(editor.person ?? []).map((joint, i) => jointRow(editor, app, joint, i)));
  document.querySelector(".joint-row.selected")?.scrollIntoView({ block: "nearest" });
}

function jointRow(editor, app, [, , label], joint) {
  const buttons = [VISIBLE, 1, 0].map((value) => {
    const chosen = label === value ? "chosen" : "";
    const act = () => {
      editor.select(editor.active, joint);
      app.say(editor.label(value));
    };
    const marks = { class: `label ${LABELS[value]} ${chosen}`, title: LABELS[value], "data-label": value, click: act };
    return element("button", marks, SHORT[LABELS[value]]);
  });
  const kinds = ["joint-row", sideOf(editor.skeleton.joints[joint])];
  if (joint === editor.joint) kinds.push("selected");
  if (joint === editor.nextJoint(editor.active)) kinds.push("upcoming");
  const sign = element("span", { class: "settled" }, editor.isSettled(editor.active, joint) ? "✓" : "");
  const name = element("button", { class: "joint-name", click: () => editor.select(editor.active, joint) }, editor.jointName(joint));
  return element("div", { class: kinds.join(" "), "data-row": joint }, element("span", { class: "swatch" }), name, sign, ...buttons);
}

// What to do next, in a line.
export function hintOf(editor) {
  const { state, joint, active } = editor;
  if (!editor.size) return "";
  if (editor.draftBox) return "The pair's box: arrows move it, Shift + arrows size it, or drag a new one. Enter takes it, Esc leaves it.";
  if (!state.people.length && editor.isAwaiting) return "The model is looking for people; a box that is drawn now gets templates.";
  if (!state.pair_box && !state.people.length) return "Draw a box around the pair: drag on the picture, or press B. Nobody to annotate? Enter.";
  if (!editor.person) return "Press A to add a person, or Enter if there is nobody to annotate.";
  const count = editor.skeleton.joints.length, next = editor.nextJoint(active);
  if (joint !== null) return `Person ${active + 1}, ${editor.jointName(joint)} (${joint + 1} of ${count}): drag it, move it by arrows, or Space puts it under the pointer. V visible, H hidden, O outside; J next.`;
  if (next === 0) return `Person ${active + 1} as a whole: drag it over the body, its corners scale, the knob turns; M mirrors, S swaps left and right. Then J: ${editor.jointName(0)}.`;
  if (next !== null) return `Person ${active + 1}: next is the ${editor.jointName(next)} (J).`;
  const other = state.people.findIndex((_, person) => editor.nextJoint(person) !== null);
  if (other >= 0) return `Person ${active + 1} is placed. Tab: person ${other + 1}.`;
  return state.done ? "Done. N: next picture." : "Everybody is placed. Enter: done, and on to the next picture.";
}

export function showHelp(table) {
  byId("help-keys").replaceChildren(...table.map(([title, rows]) => element("section", {},
    element("h3", {}, title),
    element("dl", {}, ...rows.filter(([shown]) => shown).flatMap(([shown, what]) => [element("dt", {}, shown), element("dd", {}, what)])))));
}

const SAVING = { saved: "Saved", saving: "Saving…", retrying: "Not saved, trying again…", failed: "Not saved", stale: "Not saved: changed elsewhere" };

// How saving goes, and where it fails what about it: actions are [text, function].
export function showSaving(kind, message, actions) {
  byId("saving").textContent = SAVING[kind];
  byId("saving").className = `saving ${kind}`;
  if (kind === "retrying" || kind === "saving") return;
  showBanner(kind === "saved" ? "" : `Not saved: ${message}`, actions, kind);
}

// A file's name at the beginning stays as it is.
export function asSentence(text) {
  if (!text) return "";
  const start = /^[^:]*\.\w+:/.test(text) ? text[0] : text[0].toUpperCase();
  return start + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");
}

export function showBanner(text, actions = [], kind = "") {
  byId("banner").hidden = !text;
  byId("banner").className = `banner ${kind}`;
  byId("banner").replaceChildren(element("span", {}, asSentence(text)), ...actions.map(([name, act]) => element("button", { "data-do": name, click: act }, name)));
}
