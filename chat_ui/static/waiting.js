// A message that is sent while a reply runs waits above the box, and goes when the reply ends. Until then it can be
// taken back into the box, or be removed. Each conversation has its own, which survives a reload.
import { changeBox, empty, isEmpty, tellServer } from "./box.js";
import { ordered } from "./drawing.js";
import { changeDraft, draftGoesOn } from "./drafts.js";
import { element, find, isReplyRunning, messageBox } from "./dom.js";
import { words } from "./language.js";

const KEY = "chat.waiting";

let waiting = JSON.parse(sessionStorage.getItem(KEY) ?? "{}"); // what the box held, by the conversation's id
let sent; // the one that is on its way, and its conversation
let written; // what was sent from the box and has not begun a turn yet, and its conversation
const leftBehind = []; // the same of conversations that were left before the turn had begun, oldest first
let heldBack = 0; // how often nothing was sent, which Gradio takes for failures
let shown = ""; // the id of the open conversation; empty for one that is not stored yet
let isLoaded = false; // the server has said which that is, and how its replies are to be
let isEarly = false; // what waits was sent before that

const joined = (first, second) => ({
  text: [first.text, second.text].filter((text) => text.trim()).join("\n\n"),
  files: [...first.files, ...second.files],
});

function keep(session, message) {
  if (message && !isEmpty(message)) waiting[session] = message;
  else delete waiting[session];
  sessionStorage.setItem(KEY, JSON.stringify(waiting));
  draw();
}

// What was added to a message since it was sent.
const added = (box, message) => ({
  text: box.text.startsWith(message.text) ? box.text.slice(message.text.length).trimStart() : box.text,
  files: box.files.filter(({ path }) => message.files.every((file) => file.path !== path)),
});

// Before Gradio sends what is in the box: it does not while a reply runs, or is about to. The message leaves the box
// when its turn has begun, for it may be refused; so one more Enter before that is meant for the same message.
export function send(values) {
  const box = values.find((value) => value?.files);
  const session = shown;
  isEarly ||= !isLoaded;
  if (isLoaded && !written && !isReplyRunning()) {
    written = { session, message: box };
    return values.map((value) => (value === box ? ordered(box) : value));
  }
  const more = written ? added(box, written.message) : box;
  if (!isEmpty(more)) {
    const left = written?.message ?? empty();
    keep(session, joined(waiting[session] ?? empty(), ordered(more)));
    changeBox(() => left);
  }
  heldBack += 1;
  throw new Error("The message waits.");
}

// What was sent first of all that has not begun a turn has done so, or was left to do so.
export function arrived() {
  const message = leftBehind.shift();
  if (message) leaveDraft(message);
  else begunIn(shown);
}

// It is no draft any more.
const leaveDraft = ({ session, message }) => changeDraft(session, (draft) => added(draft, message));

// It has begun a turn, in a new conversation if it was in none: what was typed since stays in the box.
function begunIn(session) {
  if (!written || (written.session && written.session !== session)) return;
  const { message } = written;
  written = undefined;
  draftGoesOn(session);
  changeBox((box) => added(box, message));
}

// It was refused, and stays in the box.
export function notSent() {
  if (heldBack) heldBack -= 1;
  else if (!leftBehind.shift()) written = undefined;
}

// The tab shows another conversation, or the same one has gone on.
export function sendWaiting({ session_id: session, turn_id: turn, render_id: render }) {
  isLoaded ||= render !== "";
  if (isLoaded && isEarly) keepEarly(session);
  if (turn) begun(session);
  if (session !== shown && written) {
    leftBehind.push(written);
    written = undefined;
  }
  shown = session;
  const message = waiting[session];
  draw();
  if (turn || !message || !isLoaded) return;
  sent = { session, message };
  keep(session, null);
  tellServer("submit", message);
}

// It was meant for the conversation that was coming.
function keepEarly(session) {
  const message = waiting[""];
  isEarly = false;
  if (session === "" || !message) return;
  keep("", null);
  keep(session, joined(waiting[session] ?? empty(), message));
}

function begun(session) {
  if (sent?.session === session) sent = undefined;
  // What was written while the first message was on its way belongs to the conversation that it began.
  if (written && waiting[""]) {
    const message = waiting[""];
    keep("", null);
    keep(session, message);
  }
  for (const one of leftBehind.filter((other) => other.session === session)) {
    leaveDraft(one);
    one.message = empty(); // `arrived` is still to come
  }
  begunIn(session);
}

// It waits again, for the next reply or for the person.
export function refused() {
  if (!sent) return; // what failed was the reply
  const { session, message } = sent;
  sent = undefined;
  keep(session, joined(message, waiting[session] ?? empty()));
}

function takeBack() {
  const session = shown;
  changeBox((box) => {
    const message = waiting[session];
    keep(session, null);
    return joined(message, box);
  });
  messageBox().focus();
}

function remove() {
  keep(shown, null);
  messageBox().focus();
}

function button(key, action) {
  const made = element("button", { type: "button", textContent: words(key) });
  made.addEventListener("click", action);
  return made;
}

function draw() {
  const place = find("#waiting [role=group]");
  const message = waiting[shown];
  if (!message) return place.replaceChildren();
  const label = element("b", { textContent: words(isLoaded ? "waiting" : "waiting_for_page") });
  const text = element("p", {
    textContent: [message.text, ...message.files.map((file) => file.orig_name)].filter(Boolean).join("\n"),
  });
  place.replaceChildren(label, text, button("waiting_edit", takeBack), button("waiting_remove", remove));
}

export function forgetWaiting() {
  waiting = {};
  sessionStorage.removeItem(KEY);
}
