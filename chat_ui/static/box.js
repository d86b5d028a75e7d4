// The message box as Gradio holds it, with its pictures: {text, files}. Only a listener can read and write it as a
// whole: the one that hears "input" of the component in which the next message waits.
import { find } from "./dom.js";

const changes = [];

export const empty = () => ({ text: "", files: [] });
export const isEmpty = (box) => !box.text.trim() && !box.files.length;

// `change` is given what the box holds, and returns what it is to hold.
export function changeBox(change) {
  changes.push(change);
  tellServer("input");
}

export const boxChanged = (box) => [changes.shift()(box)];

// An event of that component; layout.py passes it on to Gradio.
export function tellServer(event, data = {}) {
  find("#waiting [role=group]").dispatchEvent(new CustomEvent("choose", { detail: { event, data }, bubbles: true }));
}
