// Asks and shows in a dialog of the page's own, in the reader's language: Escape and a click beside it close it, and
// the focus goes back to where it was; after an answer it is in the message box.
import { element, find } from "./dom.js";
import { backToBox } from "./focus.js";
import { words } from "./language.js";

// Opens a dialog with these parts, of which one has the id "dialog-name"; its answer, empty if it was closed.
// overlays.css knows it by `className`.
export function openDialog(className, ...parts) {
  const dialog = element("dialog", { className }, ...parts);
  dialog.setAttribute("aria-labelledby", "dialog-name");
  find(".gradio-container").append(dialog);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.showModal();
  return new Promise((answered) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue) backToBox();
      answered(dialog.returnValue);
    }),
  );
}

function openQuestion(question, yes, ...fields) {
  const cancel = element("button", { type: "button", textContent: words("cancel") });
  cancel.addEventListener("click", () => cancel.closest("dialog").close());
  const agree = element("button", { className: "agree", value: "yes", textContent: words(yes) });
  const buttons = element("div", { className: "buttons" }, cancel, agree);
  const named = element("label", { id: "dialog-name", htmlFor: "dialog-field", textContent: question });
  return openDialog("question", element("form", { method: "dialog" }, named, ...fields, buttons));
}

// Whether the reader agrees. `question` and `yes` are keys of texts.py.
export const isConfirmed = async (question, yes, facts) => (await openQuestion(words(question, facts), yes)) !== "";

// The reader's choice among `choices`, which have words by their values; empty if they think better of it.
export async function askChoice(question, yes, choices) {
  const options = Object.entries(choices).map(([value, text]) => element("option", { value, textContent: text }));
  const field = element("select", { id: "dialog-field" }, ...options);
  return (await openQuestion(words(question), yes, field)) && field.value;
}

// The text that the reader gives, at first `value`; empty if they think better of it. `known` ones are offered.
export async function askText(question, yes, value, known = []) {
  const field = element("input", { id: "dialog-field", value });
  const options = element("datalist", { id: "dialog-options" }, ...known.map((text) => element("option", { value: text })));
  if (known.length) field.setAttribute("list", options.id);
  const answer = openQuestion(words(question), yes, field, options);
  field.select();
  return (await answer) && field.value.trim();
}
