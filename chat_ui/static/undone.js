// What was taken back can be brought back for a while: box.css shows the button by the class "undone", and how long
// is that of its animation, which stands still under the pointer and the focus.
import { find } from "./dom.js";

let offered = "";

const show = (shown) => document.body.classList.toggle("undone", shown);

// `undone` is what the tab can restore; empty for nothing.
export function offerRestore(undone) {
  if (undone === offered) return;
  offered = undone;
  show(undone !== "");
  for (const animation of find("#restore").getAnimations()) animation.currentTime = 0;
}

export function start() {
  find("#restore").addEventListener("animationend", () => show(false));
}
