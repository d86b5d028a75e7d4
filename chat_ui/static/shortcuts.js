// Keyboard shortcuts; texts.py has the list that the page shows.
import { find, isCovered, isReplyRunning, messageBox } from "./dom.js";
import { editLast } from "./editing.js";
import { openSidebar, toggleSidebar } from "./panels.js";

const SHORTCUTS = {
  "Escape": () => isReplyRunning() && find("#box .stop-button").click(),
  "Shift+Escape": () => messageBox().focus(),
  "Ctrl+Shift+O": () => find("#new-chat").click(),
  "Ctrl+Shift+S": toggleSidebar,
  "Ctrl+K": search,
  "Ctrl+/": listShortcuts,
  "Ctrl+Shift+/": listShortcuts, // where the stroke is above another key
};

function search() {
  openSidebar();
  find("#search").querySelector("input, textarea").focus();
}

function listShortcuts() {
  openSidebar();
  const head = find("#help button");
  if (!head.classList.contains("open")) head.click();
  head.scrollIntoView();
  head.focus();
}

// In the empty box, as in a shell.
const wantsLast = ({ key, target }) =>
  key === "ArrowUp" && target === messageBox() && !target.value && !isReplyRunning();

function nameOf(event) {
  const held = [(event.ctrlKey || event.metaKey) && "Ctrl", event.shiftKey && "Shift"].filter(Boolean);
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return [...held, key].join("+");
}

function pressed(event) {
  const named = wantsLast(event) ? editLast : SHORTCUTS[nameOf(event)];
  const action = !event.isComposing && !isCovered() && named;
  if (!action) return;
  event.preventDefault();
  action();
}

export function start() {
  addEventListener("keydown", pressed);
}
