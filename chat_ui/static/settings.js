// In the drawer: how replies of this conversation are to be. A number is looked at as it is typed, and what is wrong
// with it stands under its field; what is right is saved when the field is left, and the drawer says so.
import { afterChanges } from "./changes.js";
import { element, find } from "./dom.js";
import { words } from "./language.js";
import { openSession } from "./tab.js";

const SAID_MS = 4000;

// As the core has it.
const RULES = {
  temperature: (number) => number >= 0 && number <= 2,
  length: (number) => Number.isInteger(number) && number >= 1 && number <= 1_000_000,
};

const fieldOf = (name) => find(`#${name} input`);
const isRight = (name, { value, validity }) => !validity.badInput && (value === "" || RULES[name](Number(value)));

let due;

// A word at the top of the drawer, for a moment. `key` is one of texts.py.
export function sayInDrawer(key) {
  const place = find("#said [role=status]");
  place.textContent = words(key);
  clearTimeout(due);
  due = setTimeout(() => place.replaceChildren(), SAID_MS);
}

// After the server has kept what was chosen: where nothing was said yet, that is with the first message.
export const settingsSaved = () => sayInDrawer(openSession() ? "saved" : "saved_later");

function look(name) {
  const field = fieldOf(name);
  const problem = find(`#${field.getAttribute("aria-describedby")}`);
  const isWrong = String(!isRight(name, field));
  if (field.ariaInvalid === isWrong) return;
  field.ariaInvalid = isWrong;
  problem.textContent = isWrong === "true" ? words(`${name}_wrong`) : "";
}

function watch(name) {
  const field = fieldOf(name);
  const problem = element("p", { id: `${name}-problem`, className: "problem", role: "alert" });
  find(`#${name}`).append(problem);
  field.setAttribute("aria-describedby", problem.id);
  field.addEventListener("input", () => look(name));
  field.addEventListener("change", () => Object.keys(RULES).every((each) => isRight(each, fieldOf(each))) && find("#save-settings").click());
}

export function start() {
  Object.keys(RULES).forEach(watch);
  afterChanges(() => Object.keys(RULES).forEach(look)); // another conversation has other numbers
}
