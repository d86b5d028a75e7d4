// The picker of roles and the form of a user's own (chat_ui/page/role_picker.py): a click becomes the Gradio event
// of its action. The `js_on_load` of the picker passes "choose" on to Gradio.
import { isConfirmed } from "./dialog.js";
import { download } from "./downloads.js";
import { fill, find, findAll, messageBox } from "./dom.js";

// The role that the form shows; nothing in it for a new one.
let edited = {};

const form = () => find("#role-form form");
const entries = () => [...findAll("#roles li")];
const picks = () => [...findAll("#roles [data-call]")];
const MOST_PICKS = 4; // as the service has it

export function tellPicker(event, data) {
  find("#role-button").dispatchEvent(new CustomEvent("choose", { detail: { event, data }, bubbles: true }));
}

const actions = {
  open() {
    find("#roles").showModal();
    fill(find("#roles [data-find]"), "");
    pickSeveral(false);
  },
  close: (_, button) => button.closest("dialog").close(),
  choose({ role }, button) {
    const roles = find("#roles");
    if (roles.matches(".several")) return button.parentElement.querySelector("[data-call]").click();
    roles.close();
    tellPicker("select", { role });
  },
  several: (_, button) => pickSeveral(button.ariaPressed === "false"),
  ask() {
    const names = picks().filter((pick) => pick.checked);
    find("#roles").close();
    fill(messageBox(), names.map((pick) => `@${pick.dataset.call} `).join("") + messageBox().value);
    messageBox().focus();
  },
  new: () => openForm({}),
  import() {
    find("#roles").close(); // over which nothing could be told
    find("#roles-file").click(); // Gradio's own button takes the file; it stands where nobody sees it
  },
  edit: ({ own }) => openForm(JSON.parse(own)),
  duplicate: ({ own }) => openForm({ ...JSON.parse(own), key: "" }),
  export({ own }) {
    const role = JSON.parse(own);
    download({ name: `${role.name.en}.json`, text: JSON.stringify({ roles: [role] }, null, 1) });
  },
  async delete({ role, own }) {
    const name = JSON.parse(own).name[language()];
    if (await isConfirmed("delete_role_confirm", "delete", { name })) tellPicker("delete", { role });
  },
};

// Those who are ticked are asked at once: a message that begins with their names is put to all of them.
function pickSeveral(isWanted) {
  find("#roles").classList.toggle("several", isWanted);
  find("#roles [data-action=several]").ariaPressed = isWanted;
  for (const pick of picks()) pick.checked = false;
  picked();
}

function picked() {
  const count = picks().filter((pick) => pick.checked).length;
  for (const pick of picks()) pick.disabled = !pick.checked && count === MOST_PICKS;
  find("#roles [data-action=ask]").disabled = count < 2;
}

// The texts of a role are shown in the language of the page.
const language = () => (document.documentElement.lang.startsWith("zh") ? "zh" : "en");
const LISTS = ["example_questions"];
const NUMBERS = ["temperature", "max_tokens"];

function openForm(role) {
  form().reset();
  edited = role;
  for (const field of form().querySelectorAll("[name]")) {
    const value = role[field.name]?.[language()] ?? role[field.name];
    if (value !== undefined && value !== null) field.value = Array.isArray(value) ? value.join("\n") : value;
  }
  tellProblem("");
  find("#role-form").showModal();
}

// What was written. Of a text that the role has in both languages the other one stays.
function written() {
  const fields = { key: edited.key ?? "" };
  for (const { name, value } of form().querySelectorAll("[name]")) {
    const text = LISTS.includes(name) ? value.split("\n").filter((line) => line.trim()) : value.trim();
    const { zh, en } = edited[name] ?? {};
    const isBilingual = JSON.stringify(zh) !== JSON.stringify(en);
    if (NUMBERS.includes(name)) fields[name] = text === "" ? null : Number(text.replace(",", "."));
    else fields[name] = isBilingual ? { zh, en, [language()]: text } : text;
    if (Number.isNaN(fields[name])) fields[name] = text; // which the server refuses by its name
  }
  return fields;
}

function tellProblem(text) {
  find("#role-form .problem").textContent = text;
}

function clicked({ target }) {
  const button = target.closest("[data-action]");
  if (button) actions[button.dataset.action](button.closest("[data-role]")?.dataset ?? {}, button);
  else if (target.matches("dialog")) target.close(); // beside it
}

function searched({ target }) {
  if (!target.matches("[data-find]")) return;
  const query = target.value.trim().toLowerCase();
  for (const entry of entries()) entry.hidden = !entry.textContent.toLowerCase().includes(query);
  find("#roles p").hidden = entries().some((entry) => !entry.hidden);
}

// Enter chooses the first that was found; the arrows go through the list.
function pressed(event) {
  if (!event.target.closest("#roles")) return;
  const choices = [...findAll("#roles li:not([hidden]) [data-action=choose]")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    const at = choices.indexOf(document.activeElement) + step;
    (choices[at] ?? (at < 0 ? find("#roles [data-find]") : choices.at(-1)))?.focus();
    event.preventDefault();
  }
  if (event.key === "Enter" && event.target.matches("[data-find]") && !event.isComposing) {
    event.preventDefault(); // it would open the list again, for the button behind it has the focus then
    choices[0]?.click();
  }
}

export function showRole(role) {
  const chosen = entries().find((entry) => entry.dataset.role === role);
  if (!chosen) return;
  const name = document.createElement("span");
  name.textContent = chosen.querySelector("b").textContent;
  find("#role-button").replaceChildren(chosen.querySelector(".face").cloneNode(true), name);
}

// What came of saving a role: what is wrong with it, or nothing, and then the form has done its work.
export function roleSaved({ problem }) {
  tellProblem(problem);
  if (!problem) for (const dialog of findAll("#roles, #role-form")) dialog.close();
}

// A picker that is drawn anew has its dialogs shut; they must not go on keeping the page from the pointer.
function leaveShutDialogs() {
  for (const dialog of findAll("#role dialog:modal:not([open])")) {
    dialog.open = true;
    dialog.close();
  }
}

export function start() {
  const picker = find("#role");
  new MutationObserver(leaveShutDialogs).observe(picker, { attributeFilter: ["open"], subtree: true });
  picker.addEventListener("click", clicked);
  picker.addEventListener("input", searched);
  picker.addEventListener("change", picked);
  picker.addEventListener("keydown", pressed);
  picker.addEventListener("submit", (event) => {
    event.preventDefault();
    tellPicker("submit", { role: written() });
  });
}
