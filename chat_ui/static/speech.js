// What dictation and reading aloud have in common: the browser does both, maybe with the help of its maker, which is
// told before the first time; and what goes wrong is said above the message box.
import { isConfirmed } from "./dialog.js";
import { element, find } from "./dom.js";
import { words } from "./language.js";

// Whether the reader agrees, now or before, to what `question` tells of. It and `yes` are keys of texts.py.
export async function hasAgreed(question, yes) {
  const key = `chat.agreed.${question}`;
  if (localStorage.getItem(key)) return true;
  if (!(await isConfirmed(question, yes))) return false;
  localStorage.setItem(key, "true");
  return true;
}

// `key` is one of texts.py; none takes away what was said.
export function sayProblem(key) {
  const place = find(".speech-problem") ?? element("p", { className: "speech-problem", role: "alert" });
  if (!place.isConnected) find("#box").before(place);
  place.textContent = key ? words(key) : "";
}
