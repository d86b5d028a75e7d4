// After an action the keyboard is in the message box again, unless something else is being written. Where a finger
// points that would bring up its keyboard. A link at the beginning of the page leads there past all that stands before.
import { element, find, messageBox } from "./dom.js";
import { words } from "./language.js";

const ACTIONS = "#new-chat, #temporary, #restore, #box .stop-button";
const BUSY = "input, textarea, select, dialog, [popover], #drawer";

const finger = matchMedia("(pointer: coarse)");

const focusBox = () => finger.matches || messageBox().focus();

export const backToBox = () => document.activeElement.closest(BUSY) || focusBox();

function skip(event) {
  event.preventDefault();
  messageBox().focus();
}

export function start() {
  const link = element("a", { className: "skip-link", href: "#box", textContent: words("skip") });
  link.addEventListener("click", skip);
  find(".gradio-container").prepend(link);
  addEventListener("click", ({ target }) => target.closest(ACTIONS) && focusBox());
}
