// The fields for the variables of a role's prompt (chat_ui/page/variables_form.py). What is written there goes to the
// server with the next message; a Gradio event of the fields' component tells the page of each change.
import { find, findAll, messageBox } from "./dom.js";

const block = () => find("#variables");
const fields = () => [...findAll("#variables input")];

export const variableValues = () => Object.fromEntries(fields().map(({ name, value }) => [name, value.trim()]));

function showValues() {
  const values = fields().map(({ name, value, placeholder }) => `${name}: ${value.trim() || placeholder || "…"}`);
  find("#variables summary span").textContent = values.join(" · ");
}

function changed() {
  showValues();
  find("#variables details").dispatchEvent(
    new CustomEvent("choose", { detail: { event: "input", data: {} }, bubbles: true }),
  );
}

function pressed(event) {
  if (event.key !== "Enter" || event.isComposing || !event.target.matches("input")) return;
  event.preventDefault(); // it would send what the box holds
  const next = fields()[fields().indexOf(event.target) + 1] ?? messageBox();
  next.focus();
}

// Once everything is known and the person goes on, the line is enough.
function left({ relatedTarget }) {
  const isDone = fields().every(({ value, placeholder }) => value.trim() || placeholder);
  if (isDone && !block().contains(relatedTarget)) find("#variables details").open = false;
}

export function start() {
  block().addEventListener("input", changed);
  block().addEventListener("keydown", pressed);
  block().addEventListener("focusout", left);
}
