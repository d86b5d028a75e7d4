// What was typed and not sent stays with its conversation, and survives a reload: the text, not the pictures.
import { changeBox, empty, isEmpty } from "./box.js";
import { messageBox } from "./dom.js";

const KEY = "chat.drafts";

let drafts = JSON.parse(sessionStorage.getItem(KEY) ?? "{}"); // what the box held, by the conversation's id
let shown; // the id of the conversation whose draft is in the box

export function showDraftOf(session) {
  if (session === shown) return;
  const left = shown;
  shown = session;
  changeBox((box) => {
    if (left === undefined && !isEmpty(box)) return box; // typed before the page was ready
    if (left !== undefined) drafts[left] = box;
    return drafts[session] ?? empty();
  });
}

// The message in the box has begun this conversation, to which belongs what is typed after it.
export function draftGoesOn(session) {
  if (session === shown) return;
  delete drafts[shown];
  shown = session;
}

// Of any conversation, shown or not.
export function changeDraft(session, change) {
  if (session === shown) changeBox(change);
  else if (drafts[session]) drafts[session] = change(drafts[session]);
}

function write() {
  if (shown !== undefined) drafts[shown] = { text: messageBox().value, files: [] };
  const kept = Object.entries(drafts).filter(([, { text }]) => text);
  sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(kept)));
}

export function forgetDrafts() {
  drafts = {};
  shown = undefined;
}

export function start() {
  addEventListener("pagehide", write);
}
