// Whether Enter sends the message or breaks the line, where Ctrl+Enter sends it: as the reader has chosen. Without a
// choice it sends, but not under a finger, where there is no Shift to break the line with. Gradio 6.31 sends at Enter.
import { find, messageBox } from "./dom.js";

const KEY = "send";
const finger = matchMedia("(pointer: coarse)");

export const sendingKey = () => localStorage.getItem(KEY) ?? (finger.matches ? "ctrl_enter" : "enter");

export function setSendingKey(key) {
  localStorage.setItem(KEY, key);
  nameKey();
}

// What a phone's keyboard shows on its Enter.
function nameKey() {
  messageBox().enterKeyHint = sendingKey() === "enter" ? "send" : "enter";
}

const isEnter = (event) => event.key === "Enter" && event.target === messageBox() && !event.isComposing;
const isHeld = (event) => event.ctrlKey || event.metaKey;

function pressed(event) {
  if (!isEnter(event) || !isHeld(event)) return;
  event.preventDefault();
  find("#box .submit-button").click();
}

// The browser breaks the line if Gradio does not hear of it.
function typed(event) {
  if (isEnter(event) && sendingKey() !== "enter") event.stopImmediatePropagation();
}

export function start() {
  nameKey();
  addEventListener("keydown", pressed);
  addEventListener("keypress", typed, true);
}
