// The conversation is followed to its end until the reader scrolls up, and again once they are back there.
// Gradio 6.31 pulls a reader down who scrolls up while a reply is written, so its Chatbot has autoscroll=False.
// Not needed any more when tests/browser/test_reading.py passes without it and with autoscroll=True.
import { afterChanges } from "./changes.js";
import { find, messageList } from "./dom.js";

const NEAR_PIXELS = 50;
const KEPT_MILLISECONDS = 1000;

let followed = true;
let top = 0;
let kept = 0;

const below = () => messageList().scrollHeight - messageList().scrollTop;

export function followToEnd() {
  followed = true;
}

// What is read stays where it is when earlier messages come in above it.
export function keepScrollPosition() {
  kept = below();
  setTimeout(() => (kept = 0), KEPT_MILLISECONDS);
}

function settle() {
  const list = messageList();
  if (!list) return;
  if (kept) list.scrollTop = list.scrollHeight - kept;
  else if (followed) list.scrollTop = list.scrollHeight;
  top = list.scrollTop; // the reader may scroll up before this is heard of
}

function scrolled({ target }) {
  if (target !== messageList()) return;
  const atEnd = below() - target.clientHeight < NEAR_PIXELS;
  followed = atEnd || (followed && target.scrollTop >= top);
  top = target.scrollTop;
}

export function start() {
  find("#chatbot").addEventListener("load", settle, true); // a picture has got its height
  find("#chatbot").addEventListener("scroll", scrolled, true);
  afterChanges(settle);
}
