// Tells other modules when what is shown has changed: Gradio draws parts of the page anew whenever it likes, and
// what was done to them is gone.
import { find } from "./dom.js";

const callbacks = [];
let due = 0;

export const afterChanges = (callback) => callbacks.push(callback);

export function pageChanged() {
  for (const callback of callbacks) callback();
}

// Once before the next picture is drawn, for every look at the height has the page laid out again.
function soon() {
  due ||= requestAnimationFrame(() => {
    due = 0;
    pageChanged();
  });
}

export function start() {
  const observer = new MutationObserver(soon);
  for (const part of ["#chatbot", "#box", "#activity", ".toast-wrap"])
    observer.observe(find(part), { childList: true, subtree: true });
  pageChanged();
}
