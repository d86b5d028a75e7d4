// Buttons of the page's own beside Gradio's under each message. They stand in a part of their own, as editing.js
// knows Gradio's by their places.
import { afterChanges } from "./changes.js";
import { element, findAll } from "./dom.js";
import { words } from "./language.js";

const offers = [];

// Has each message whose row `isWanted` offer something, as the key of texts.py names it; messages.css has its picture.
export const offer = (key, press, isWanted = () => true) => offers.push({ key, press, isWanted });

function add(buttons) {
  const row = buttons.previousElementSibling;
  const wanted = offers.filter(({ isWanted }) => isWanted(row));
  const keys = wanted.map(({ key }) => key).join(" ");
  const before = buttons.querySelector(":scope > .own-buttons");
  if (before?.dataset.keys === keys) return;
  before?.remove();
  const made = wanted.map(({ key, press }) => {
    const button = element("button", { className: `own-button ${key}`, title: words(key), ariaLabel: words(key) });
    button.addEventListener("click", () => press(row, button));
    return button;
  });
  const own = element("div", { className: "own-buttons" }, ...made);
  own.dataset.keys = keys;
  buttons.append(own);
}

// The last ones again, for there what a message has may still come.
export const start = () =>
  afterChanges(() => {
    findAll("#chatbot .message-buttons:not(:has(> .own-buttons))").forEach(add);
    const last = [...findAll("#chatbot .message-buttons")].at(-1);
    if (last) add(last);
  });
