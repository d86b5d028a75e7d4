// A long message of a person is folded after twelve lines.
import { afterChanges } from "./changes.js";
import { element, findAll } from "./dom.js";
import { words } from "./language.js";

const LINES = 12;

const isLong = (text, lines) => text.scrollHeight > (lines + 1) * parseFloat(getComputedStyle(text).lineHeight);

// Folds what is longer than that many lines, and puts a button behind it. messages.css knows how high it is then.
export function fold(text, lines) {
  if (!isLong(text, lines)) return;
  const button = element("button", { type: "button", className: "show-all" });
  const setFolded = (folded) => {
    text.classList.toggle("folded", folded);
    button.textContent = words(folded ? "show_all" : "show_less");
    button.ariaExpanded = !folded;
  };
  button.addEventListener("click", () => setFolded(!text.classList.contains("folded")));
  text.after(button);
  setFolded(true);
}

// The button stands inside of the message, with which Gradio takes it away.
function foldMessage(message) {
  message.dataset.seen = "";
  const text = element("span", { className: "said" }, ...message.childNodes);
  message.append(text);
  fold(text, LINES);
}

export const start = () => afterChanges(() => findAll("#chatbot .user-text:not([data-seen])").forEach(foldMessage));
