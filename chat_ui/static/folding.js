// A long message of a person is folded after twelve lines.
import { afterChanges } from "./changes.js";
import { element, findAll } from "./dom.js";
import { words } from "./language.js";

const LINES = 12;

const isLong = (text) => text.scrollHeight > (LINES + 1) * parseFloat(getComputedStyle(text).lineHeight);

// Folds what is long, unless it is to stay open at first, and puts a button behind it. The style sheets know how high
// it is then.
export function fold(text, { isOpen = false } = {}) {
  const button = element("button", { type: "button", className: "show-all" });
  const setFolded = (folded) => {
    text.classList.toggle("folded", folded);
    button.ariaLabel = words(folded ? "show_all" : "show_less");
    button.ariaExpanded = !folded;
  };
  button.addEventListener("click", () => setFolded(!text.classList.contains("folded")));
  text.after(element("div", {}, button));
  setFolded(!isOpen);
}

// The button stands inside of the message, with which Gradio takes it away.
function foldMessage(message) {
  message.dataset.seen = "";
  const text = element("span", { className: "said" }, ...message.childNodes);
  message.append(text);
  if (isLong(text)) fold(text);
}

export const start = () => afterChanges(() => findAll("#chatbot .user-text:not([data-seen])").forEach(foldMessage));
