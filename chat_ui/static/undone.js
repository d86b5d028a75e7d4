// What was taken back can be brought back for a while: box.css shows the button by the class "undone", and how long
// is that of its animation, which stands still under the pointer and the focus.
import { find } from "./dom.js";

let offered = { undone: "" }; // the tab as the taking back left it

const show = (shown) => document.body.classList.toggle("undone", shown);

// refresh.js may have asked before the taking back and be answered after it, by what knows nothing to restore.
const isSame = (tab) => tab.session_id === offered.session_id && tab.fingerprint === offered.fingerprint;

// `tab.undone` is what the tab can restore; empty for nothing.
export function offerRestore(tab) {
  if (tab.undone === offered.undone || (!tab.undone && isSame(tab))) return;
  offered = tab;
  show(tab.undone !== "");
  for (const animation of find("#restore").getAnimations()) animation.currentTime = 0;
}

// Before Gradio sends that it is to be brought back: the tab among the values says what.
export const restoring = (values) =>
  values.map((value) => (value?.render_id === undefined ? value : { ...value, undone: offered.undone }));

export function start() {
  find("#restore").addEventListener("animationend", () => show(false));
}
