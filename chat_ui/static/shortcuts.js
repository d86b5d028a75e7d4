// Keyboard shortcuts; texts.py has the list that the page shows.
import { find, isCovered, isReplyRunning, messageBox } from "./dom.js";
import { toggleSidebar } from "./panels.js";

const SHORTCUTS = {
  "Escape": () => isReplyRunning() && find("#box .stop-button").click(),
  "Shift+Escape": () => messageBox().focus(),
  "Ctrl+Shift+O": () => find("#new-chat").click(),
  "Ctrl+Shift+S": toggleSidebar,
};

function nameOf(event) {
  const held = [(event.ctrlKey || event.metaKey) && "Ctrl", event.shiftKey && "Shift"].filter(Boolean);
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return [...held, key].join("+");
}

function pressed(event) {
  const action = !event.isComposing && !isCovered() && SHORTCUTS[nameOf(event)];
  if (!action) return;
  event.preventDefault();
  action();
}

export function start() {
  addEventListener("keydown", pressed);
}
