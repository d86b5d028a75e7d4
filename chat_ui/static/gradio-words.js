// Words that Gradio 6.31 has in English alone, in the reader's language. Not needed any more when
// tests/browser/test_accessibility.py finds none without it.
import { afterChanges } from "./changes.js";
import { findAll } from "./dom.js";
import { language, words } from "./language.js";

const ATTRIBUTES = ["title", "aria-label", "alt"];

// What takes their place, as the key of texts.py names it.
const KEYS = {
  "chatbot conversation": "conversation",
  "user avatar": "you",
  "bot avatar": "assistant",
  "Copy message": "copy_message",
  "copy": "copy_code",
  "Multimedia input field": "message",
  "Click to upload or drop files": "attach",
  "File upload": "attach",
  "Upload a file": "attach",
  "Uploaded files": "attached",
  "Remove file": "waiting_remove",
  "File thumbnail": "picture",
  "Close": "close",
  "Submit": "send",
  "Stop": "stop",
};

// Before what can be read beside them.
const NEEDLESS = /^(Select example \d+|bot's message|user's message): /;

function translate(part, attribute) {
  const text = part.getAttribute(attribute);
  if (NEEDLESS.test(text)) part.removeAttribute(attribute);
  else if (KEYS[text]) part.setAttribute(attribute, words(KEYS[text]));
}

function translateAll() {
  for (const attribute of ATTRIBUTES)
    for (const part of findAll(`:is(#chatbot, #box, .toast-wrap) [${attribute}]`)) translate(part, attribute);
}

export const start = () => language() !== "en" && afterChanges(translateAll);
