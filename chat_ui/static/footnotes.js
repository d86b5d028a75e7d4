// The number of a footnote leads to its note, and the number of the note back to where it was read. That begins when the
// reply has ended, for until then Gradio draws it anew with each frame.
import { afterChanges } from "./changes.js";
import { element, findAll, isReplyRunning } from "./dom.js";
import { words } from "./language.js";
import { letGo } from "./scrolling.js";

const readAt = new WeakMap(); // the number that led to a note

let made = 0;

const isNote = (number) => number.matches(".text");

// In the same reply, for others have notes of the same numbers.
const counterpart = (number) =>
  [...number.closest(".md").querySelectorAll(".footnote")].find(
    (other) => other.textContent === number.textContent && isNote(other) !== isNote(number),
  );

function follow(event, from, to) {
  event.preventDefault(); // the address names the conversation
  if (isNote(to)) readAt.set(to, from);
  letGo();
  to.scrollIntoView({ block: "center" });
  to.querySelector("a").focus({ preventScroll: true });
}

function becomeLink(number) {
  const other = counterpart(number);
  number.dataset.seen = "";
  if (!other) return;
  for (const end of [number, other]) end.id ||= `footnote-${(made += 1)}`;
  const name = words(isNote(number) ? "footnote_back" : "footnote", { number: number.textContent });
  const link = element("a", { href: `#${other.id}`, ariaLabel: name, title: name }, ...number.childNodes);
  link.addEventListener("click", (event) => follow(event, number, readAt.get(number) ?? other));
  number.append(link);
}

export const start = () =>
  afterChanges(() => isReplyRunning() || findAll("#chatbot .footnote:not([data-seen])").forEach(becomeLink));
