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
  const made = offers
    .filter(({ isWanted }) => isWanted(row))
    .map(({ key, press }) => {
      const button = element("button", { className: `own-button ${key}`, title: words(key), ariaLabel: words(key) });
      button.addEventListener("click", () => press(row, button));
      return button;
    });
  buttons.append(element("div", { className: "own-buttons" }, ...made));
}

export const start = () =>
  afterChanges(() => findAll("#chatbot .message-buttons:not(:has(> .own-buttons))").forEach(add));
