// Pictures in place of words: with a button in the message box, what is sent asks for a picture, of a size and quality
// that can be chosen there. The message itself says so, with "/image", as it does when that is typed.
import { afterChanges } from "./changes.js";
import { element, find, messageBox } from "./dom.js";
import { words } from "./language.js";

const COMMAND = /^\s*\/image(\s|$)/;

let models = [];
let isOn = false;
const chosen = { model: "", size: "", quality: "" }; // in each "" is left to the app or the provider

const model = () => models.find(({ name }) => name === chosen.model) ?? models[0];

// Whether some model changes pictures.
export const canChange = () => models.some(({ edits }) => edits);

// A message of the box as it is sent.
export function ordered(box) {
  if (!isOn || COMMAND.test(box.text)) return box;
  const options = Object.entries(chosen).map(([name, value]) => value && `--${name} ${value}`);
  return { ...box, text: ["/image", box.text.trim(), ...options].filter(Boolean).join(" ") };
}

export function setDrawing(on) {
  isOn = on;
  draw();
  messageBox().focus();
}

function choice(name, values) {
  const options = ["", ...values].map((value) => element("option", { value, textContent: value || words(`picture_${name}`) }));
  const field = element("select", { ariaLabel: words(`picture_${name}`) }, ...options);
  field.value = chosen[name];
  field.addEventListener("change", () => choose(name, field.value));
  return field;
}

function choose(name, value) {
  chosen[name] = value;
  if (!model().sizes.includes(chosen.size)) chosen.size = "";
  if (!model().qualities.includes(chosen.quality)) chosen.quality = "";
  find("#box .drawing-options")?.remove();
  draw();
  find(`#box .drawing-options [aria-label="${words(`picture_${name}`)}"]`).focus();
}

function options() {
  const others = models.slice(1).map(({ name }) => name);
  const fields = { model: others, size: model().sizes, quality: model().qualities };
  const shown = Object.entries(fields).filter(([, values]) => values.length);
  return element("div", { className: "drawing-options" }, ...shown.map(([name, values]) => choice(name, values)));
}

// Gradio may draw the box anew.
function draw() {
  if (!find("#box .draw")) {
    const button = element("button", { type: "button", className: "draw", title: words("draw"), ariaLabel: words("draw") });
    button.addEventListener("click", () => setDrawing(!isOn));
    find("#box .upload-button").after(button);
  }
  find("#box .draw").ariaPressed = String(isOn);
  messageBox().placeholder = words(isOn ? "picture_placeholder" : "message_placeholder");
  const row = find("#box .drawing-options");
  if (isOn && !row) find("#box .input-row").before(options());
  else if (!isOn) row?.remove();
}

export function start() {
  models = JSON.parse(find("#picture-models [data-models]").dataset.models);
  if (models.length) afterChanges(draw);
}
