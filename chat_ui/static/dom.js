// Shorthands for what several modules look for on the page.
export const find = (selector) => document.querySelector(selector);
export const findAll = (selector) => document.querySelectorAll(selector);
export const messageBox = () => find("#box textarea");
export const messageList = () => find("#chatbot .bubble-wrap");
export const isReplyRunning = () => find("[data-running=true]") !== null;

// Whether a dialog or a menu lies over the page: it has the keyboard, and closes at Escape by itself.
export const isCovered = () => find("dialog[open], :popover-open") !== null;

// A new element with these properties and parts.
export function element(name, properties, ...parts) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...parts);
  return made;
}

// Writes into a field as a person would: Svelte hears of a value only by the event.
export function fill(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
