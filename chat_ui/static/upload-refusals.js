// Why a file is not taken is told in a sentence. Gradio 6.31 shows what the server answered as it came, with its
// status, and knows in English only that a file is too large. Not needed any more when it does better.
import { afterChanges } from "./changes.js";
import { findAll } from "./dom.js";
import { words } from "./language.js";

const ANSWER = /^HTTP \d+: (\{.*\})$/s;

function sentence(text) {
  const answer = ANSWER.exec(text);
  if (answer) return JSON.parse(answer[1]).detail;
  return text.startsWith("File(s) exceed") ? words("upload_too_large") : text;
}

function reword(toast) {
  const said = sentence(toast.textContent);
  if (toast.textContent !== said) toast.textContent = said;
}

export const start = () => afterChanges(() => findAll(".toast-message-text").forEach(reword));
