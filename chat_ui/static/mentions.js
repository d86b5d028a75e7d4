// Who is asked: an @ at the beginning of the message offers the roles by their names. The arrow keys walk through the
// list, Enter and Tab take a name, Escape closes it until another name begins.
import { element, fill, find, findAll, messageBox } from "./dom.js";
import { words } from "./language.js";

const END = /^[\s,:，：、]+/; // of a name, as the service has it

let offered = []; // those in the list
let begun; // what was written of a name
let chosen = 0;
let isDismissed = false;

// Everybody's roles are called by their keys too; the key of a role of one's own says nothing.
const rolesThereAre = () =>
  [...findAll("#roles li")].map((entry) => ({
    name: entry.querySelector("[data-call]").dataset.call,
    key: entry.dataset.own ? "" : entry.dataset.role,
    face: entry.querySelector(".face"),
  }));

const isCalled = ({ name, key }, text) => name.toLowerCase().includes(text) || (key !== "" && key.startsWith(text));

// The whole name that the text begins with; the longest, for one may begin with another.
function wholeName(text, roles) {
  const fits = (name) => name !== "" && text.toLowerCase().startsWith(`@${name.toLowerCase()}`) && END.test(text.slice(name.length + 1));
  const names = roles.flatMap(({ name, key }) => [name, key]).filter(fits);
  return names.sort((one, other) => other.length - one.length)[0];
}

// What was written of a name up to the caret; undefined where anything but whole names stands before it.
function beginning(roles) {
  const { value, selectionEnd } = messageBox();
  let text = value.slice(0, selectionEnd).trimStart();
  for (let name = wholeName(text, roles); name; name = wholeName(text, roles)) text = text.slice(name.length + 1).replace(END, "");
  return /^@(?!\s)/.test(text) ? text.slice(1) : undefined;
}

const list = () => find("#mentions");

function choose(index) {
  chosen = (index + offered.length) % offered.length;
  for (const [place, option] of [...list().children].entries()) option.ariaSelected = String(place === chosen);
  list().children[chosen].scrollIntoView({ block: "nearest" });
  messageBox().setAttribute("aria-activedescendant", list().children[chosen].id);
}

function optionFor(role, index) {
  const option = element("li", { id: `mention-${index}`, role: "option" }, role.face.cloneNode(true), role.name);
  option.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  option.addEventListener("click", () => take(role));
  return option;
}

// The box is a combo box while there is something to choose.
const COMBO_BOX = { role: "combobox", "aria-expanded": "true", "aria-controls": "mentions", "aria-autocomplete": "list" };

function show(roles) {
  offered = roles;
  list().hidden = !roles.length;
  list().replaceChildren(...roles.map(optionFor));
  for (const [name, value] of Object.entries(COMBO_BOX)) {
    if (roles.length) messageBox().setAttribute(name, value);
    else messageBox().removeAttribute(name);
  }
  if (roles.length) choose(0);
  else messageBox().removeAttribute("aria-activedescendant");
}

function look() {
  const roles = document.activeElement === messageBox() && messageBox().value.includes("@") ? rolesThereAre() : [];
  const now = roles.length ? beginning(roles) : undefined;
  if (now === begun) return;
  begun = now;
  if (begun === undefined) isDismissed = false;
  const isOffered = begun !== undefined && !isDismissed;
  show(isOffered ? roles.filter((role) => isCalled(role, begun.toLowerCase())) : []);
}

function take({ name }) {
  const box = messageBox();
  const before = box.value.slice(0, box.selectionEnd - begun.length);
  const after = box.value.slice(box.selectionEnd).trimStart();
  fill(box, `${before}${name} ${after}`);
  box.selectionEnd = before.length + name.length + 1;
  look();
}

function left() {
  if (begun === undefined) return;
  begun = undefined;
  show([]);
}

function dismiss() {
  isDismissed = true;
  show([]);
}

const KEYS = {
  ArrowDown: () => choose(chosen + 1),
  ArrowUp: () => choose(chosen - 1),
  Enter: () => take(offered[chosen]),
  Tab: () => take(offered[chosen]),
  Escape: dismiss,
};

function pressed(event) {
  const { key, target, isComposing, shiftKey, ctrlKey, metaKey, altKey } = event;
  const isPlain = !(isComposing || shiftKey || ctrlKey || metaKey || altKey);
  if (!offered.length || target !== messageBox() || !isPlain || !(key in KEYS)) return;
  event.preventDefault(); // nothing is sent, and the focus stays
  event.stopImmediatePropagation();
  KEYS[key]();
}

export function start() {
  const place = element("ul", { id: "mentions", role: "listbox", ariaLabel: words("role"), hidden: true });
  find("#box").before(element("div", { className: "mentions" }, place));
  addEventListener("keydown", pressed, true);
  addEventListener("input", look);
  document.addEventListener("selectionchange", look);
  find("#box").addEventListener("focusout", left);
  find("#box").addEventListener("focusin", look);
}
