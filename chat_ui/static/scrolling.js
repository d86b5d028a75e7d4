// The conversation is followed to its end until the reader scrolls up, and again once they are back there.
// Gradio 6.31 pulls a reader down who scrolls up while a reply is written, so its Chatbot has autoscroll=False.
// Not needed any more when tests/browser/test_reading.py passes without it and with autoscroll=True.
import { afterChanges } from "./changes.js";
import { find, isReplyRunning, messageList } from "./dom.js";
import { words } from "./language.js";

const NEAR_PIXELS = 50;
const NEAR_TOP_PIXELS = 150;
const KEPT_MILLISECONDS = 1000;

let followed = true;
let top = 0; // where the reader is
let height = 0; // of what was shown when they came there
let emptied = false; // Gradio has drawn the messages anew, and for a moment there were fewer
let kept = 0;
let hasNews = false; // more of a reply has come than the reader has seen

const below = () => messageList().scrollHeight - messageList().scrollTop;

export const isFollowed = () => followed;

export function followToEnd() {
  followed = true;
  emptied = false;
}

// The reader is shown something else than the end.
export function letGo() {
  followed = false;
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

// Which is read from its beginning.
const isGreeting = (list) => list.querySelector(".placeholder-content") !== null;

function settle() {
  const list = messageList();
  if (!list) return;
  hasNews ||= !followed && !kept && isReplyRunning() && list.scrollHeight > height;
  if (kept) list.scrollTop = list.scrollHeight - kept;
  else if (followed) list.scrollTop = isGreeting(list) ? 0 : list.scrollHeight;
  else if (emptied) list.scrollTop = top;
  emptied &&= list.scrollTop < top;
  if (!emptied) noteScrollPosition(list); // the reader may scroll up before this is heard of
  nameWayDown(list);
}

// Gradio's button to the end, which it names in English, and messages.css marks where there is news.
function nameWayDown(list) {
  hasNews &&= !followed;
  const button = list.nextElementSibling?.querySelector("button");
  const name = words(hasNews ? "to_news" : "to_end");
  if (!button || button.title === name) return;
  Object.assign(button, { title: name, ariaLabel: name });
  button.classList.toggle("news", hasNews);
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
  nameWayDown(target);
  noteScrollPosition(target);
}

export function start() {
  find("#chatbot").addEventListener("load", settle, true); // a picture has got its height
  find("#chatbot").addEventListener("scroll", scrolled, true);
  afterChanges(settle);
}
