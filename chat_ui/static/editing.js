// A message is edited as it was written, in the conversation where the edit was begun, and what an edit replaces
// is asked about. Gradio 6.31 shows the text that the Chatbot was given, knows an edit by its place in the list
// alone, and sends it without a question. Not needed any more when the tests of edits in
// tests/browser/test_message_actions.py pass without it.
import { afterChanges } from "./changes.js";
import { isConfirmed } from "./dialog.js";
import { fill, findAll, messageBox } from "./dom.js";
import { isFromUser, typed } from "./message-text.js";
import { openSession } from "./tab.js";

const EDIT = ".message-buttons-right button:last-of-type:not(.own-button)";

// Where the open edit was begun: one that is left open would go along into the next conversation.
let begunIn = "";

function noteBeginning({ target }) {
  if (target.closest(`#chatbot ${EDIT}`)) begunIn = openSession();
}

function mend(field) {
  const cancel = field.closest(".message-row").nextElementSibling.querySelector("button:last-of-type");
  if (begunIn !== openSession()) cancel.click();
  else if (isFromUser(field.value)) fill(field, typed(field.value));
  if (!field.dataset.shown) show(field);
}

// Once: Gradio draws the field in the place of the message, which may be half out of sight.
function show(field) {
  field.dataset.shown = "true";
  field.closest(".message-row").nextElementSibling.scrollIntoView({ block: "nearest" });
  field.scrollIntoView({ block: "nearest" });
  field.focus();
}

export const editLast = () => [...findAll(`#chatbot ${EDIT}`)].at(-1)?.click();

// What was written into the edit that was sent last.
let sent = "";

// An edit was refused: what was written is not lost, unless something else is being written.
export function keepEdit() {
  if (!messageBox().value) fill(messageBox(), sent);
}

const fieldBeside = (buttons) => buttons?.previousElementSibling.querySelector("textarea");

// Whether the click sends the edit that these buttons are for.
const sends = (target, buttons) => fieldBeside(buttons) && buttons.querySelector("button").contains(target);

// Whether there are turns after the message that is edited.
const replacesMore = (buttons) =>
  [...findAll("#chatbot .user-row")].some(
    (row) => buttons.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING,
  );

// The edit that may be sent, as the reader has agreed.
let agreed;

// Asked before Gradio hears of the click, for it shows an edit at once.
async function ask(event) {
  const buttons = event.target.closest("#chatbot .message-buttons-right");
  if (!sends(event.target, buttons)) return;
  sent = fieldBeside(buttons).value;
  if (buttons === agreed || !replacesMore(buttons)) return;
  event.stopImmediatePropagation();
  if (!(await isConfirmed("edit_confirm", "replace"))) return;
  agreed = buttons;
  buttons.querySelector("button").click();
  agreed = undefined;
}

export function start() {
  addEventListener("click", noteBeginning, true);
  addEventListener("click", ask, true);
  afterChanges(() => findAll("#chatbot textarea").forEach(mend));
}
