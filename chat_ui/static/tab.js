// What this tab shows. The address and the window's title name it.
import { nameInAddress, sessionToOpen } from "./address.js";
import { pageChanged } from "./changes.js";
import { leaveDictation } from "./dictation.js";
import { showDraftOf } from "./drafts.js";
import { offerQuestions } from "./questions.js";
import { backToBox } from "./focus.js";
import { stopReading } from "./reading-aloud.js";
import { followToEnd } from "./scrolling.js";
import { offerCopy } from "./sharing.js";
import { showTitle } from "./title.js";
import { offerRestore } from "./undone.js";
import { sendWaiting } from "./waiting.js";

let name = "";
let open = "";
let turn = "";

// The id of the open conversation; empty for one that is not stored yet.
export const openSession = () => open;

export function start() {
  name = document.title;
}

// What the server is told of who asks, and from where.
export const identify = (identity) => ({
  ...identity,
  ...sessionToOpen(identity.session_id),
  minutes_west: new Date().getTimezoneOffset(),
  language: localStorage.getItem("language") ?? "",
});

// The tab shows another conversation, or the same one has gone on.
export function showTab(tab) {
  nameInAddress(tab);
  document.body.classList.toggle("temporary-chat", tab.temporary);
  document.title = tab.title ? `${tab.title} · ${name}` : name;
  // Who sends a message wants to see what becomes of it, wherever they were reading.
  const goesOn = (tab.turn_id && tab.turn_id !== turn) || tab.session_id !== open;
  if (goesOn) followToEnd();
  if (goesOn || tab.undone) backToBox();
  if (tab.session_id !== open) {
    leaveDictation();
    stopReading();
  }
  open = tab.session_id;
  turn = tab.turn_id;
  showTitle(tab, name);
  offerRestore(tab);
  offerQuestions(tab);
  sendWaiting(tab);
  showDraftOf(tab.session_id);
  offerCopy();
  pageChanged();
}
