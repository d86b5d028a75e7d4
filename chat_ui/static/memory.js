// What a role and a conversation remember (chat_ui/page/memory_panel.py): the part of the drawer that shows it is
// asked for when the drawer opens; "remember this" stands under each message.
import { afterChanges } from "./changes.js";
import { find, findAll } from "./dom.js";
import { offer } from "./message-buttons.js";
import { openDrawer } from "./panels.js";

const NOTE_CHARS = 500; // as the service has it

function send(event, data = {}) {
  find("#memory i").dispatchEvent(new CustomEvent("choose", { detail: { event, data }, bubbles: true }));
}

// The server is asked only where somebody looks.
export const showMemory = () => document.body.classList.contains("drawer-open") && send("expand");

// A message's text, without who speaks and the quiet lines.
const textOf = (row) =>
  [...row.querySelectorAll(".message-content .md")]
    .filter((part) => !part.querySelector(".note, .speaker"))
    .map((part) => part.textContent.trim())
    .join(" ");

function remember(row) {
  const text = textOf(row);
  send("submit", { note: text.length > NOTE_CHARS ? `${text.slice(0, NOTE_CHARS - 1)}…` : text });
}

// Gradio lets no buttons through in a text: its words become one here.
function becomeButton(words) {
  const button = Object.assign(document.createElement("button"), {
    className: words.className,
    textContent: words.textContent,
  });
  button.addEventListener("click", () => {
    openDrawer();
    send("expand");
  });
  words.replaceWith(button);
}

function clicked({ target }) {
  if (target.closest("[data-action=forget]")) send("delete", { note_id: target.closest("li").dataset.note });
}

function submitted(event) {
  event.preventDefault();
  const written = Object.fromEntries(new FormData(event.target));
  if (event.target.dataset.action === "rewrite") return send("edit", written);
  send("submit", written);
  if (written.note.length <= NOTE_CHARS) event.target.reset(); // else it is refused, and stays to be shortened
}

export function start() {
  find("#memory").addEventListener("click", clicked);
  find("#memory").addEventListener("submit", submitted);
  new MutationObserver(showMemory).observe(document.body, { attributeFilter: ["class"] });
  offer("remember", remember);
  afterChanges(() => findAll("#chatbot span.edit-summary").forEach(becomeButton));
}
