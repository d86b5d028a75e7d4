// The conversation is followed to its end until the reader scrolls up, and again once they are back there.
// Gradio 6.31 pulls a reader down who scrolls up while a reply is written, so its Chatbot has autoscroll=False.
// Not needed any more when tests/browser/test_reading.py passes without it and with autoscroll=True.
import { afterChanges } from "./changes.js";
import { find, messageList } from "./dom.js";

const NEAR_PIXELS = 50;
const NEAR_TOP_PIXELS = 150;
const KEPT_MILLISECONDS = 1000;

let followed = true;
let top = 0; // where the reader is
let height = 0; // of what was shown when they came there
let emptied = false; // Gradio has drawn the messages anew, and for a moment there were fewer
let kept = 0;

const below = () => messageList().scrollHeight - messageList().scrollTop;

export function followToEnd() {
  followed = true;
  emptied = false;
}

// What is read stays where it is when earlier messages come in above it.
export function keepScrollPosition() {
  kept = below();
  setTimeout(() => (kept = 0), KEPT_MILLISECONDS);
}

// Earlier messages come when the reader scrolls up to the first one.
function showEarlier(list) {
  if (list.scrollTop < NEAR_TOP_PIXELS && list.scrollTop < top && !kept) find("#earlier")?.click();
}

function settle() {
  const list = messageList();
  if (!list) return;
  if (kept) list.scrollTop = list.scrollHeight - kept;
  else if (followed) list.scrollTop = list.scrollHeight;
  else if (emptied) list.scrollTop = top;
  emptied &&= list.scrollTop < top;
  if (!emptied) noteScrollPosition(list); // the reader may scroll up before this is heard of
}

function noteScrollPosition(list) {
  top = list.scrollTop;
  height = list.scrollHeight;
}

function scrolled({ target }) {
  if (target !== messageList()) return;
  const atEnd = below() - target.clientHeight < NEAR_PIXELS;
  emptied = atEnd && !followed && target.scrollTop < top && target.scrollHeight < height;
  if (emptied) return;
  followed = atEnd || (followed && target.scrollTop >= top);
  if (!followed) showEarlier(target);
  noteScrollPosition(target);
}

export function start() {
  find("#chatbot").addEventListener("load", settle, true); // a picture has got its height
  find("#chatbot").addEventListener("scroll", scrolled, true);
  afterChanges(settle);
}
