// Mends what Gradio 6.31 tells screen readers and takes from the keyboard. One of these is not needed any more
// when tests/browser/test_accessibility.py, and for aria-busy test_reading.py, passes without it.
import { afterChanges } from "./changes.js";
import { findAll, isReplyRunning, messageBox, messageList } from "./dom.js";

function describe() {
  groupInsteadOfList("#chatbot .examples[role=list]"); // its questions are no list items
  groupInsteadOfList("#box [role=listitem]"); // its pictures are in no list
  flattenButtons();
  nameTexts();
  letKeyboardScroll();
  readRepliesWhole();
}

function groupInsteadOfList(selector) {
  for (const part of findAll(selector)) part.setAttribute("role", "group");
}

// There are buttons inside the buttons that unfold thoughts and notices.
function flattenButtons() {
  for (const arrow of findAll("#chatbot .thought-group .arrow:not([inert])")) arrow.inert = true;
  for (const head of findAll(".toast-header[role]")) head.removeAttribute("role");
}

// The HTML of what a person wrote, and of a role's face, is read out; the field of an edit has no name.
function nameTexts() {
  for (const bubble of findAll('#chatbot :is([data-testid=user], [data-testid=bot])[aria-label*="<"]'))
    bubble.removeAttribute("aria-label");
  for (const field of findAll("#chatbot textarea")) field.ariaLabel = messageBox().placeholder;
}

// Only a mouse can scroll what is too wide.
function letKeyboardScroll() {
  for (const part of findAll("#chatbot .message :is(pre, table):not([tabindex])"))
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
}

// A reply is read out when it is whole, not word by word.
function readRepliesWhole() {
  messageList()?.setAttribute("aria-busy", isReplyRunning());
}

export const start = () => afterChanges(describe);
