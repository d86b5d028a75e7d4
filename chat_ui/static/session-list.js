// A click in the list of conversations becomes the Gradio event of its action, after asking where there is
// something to ask; with Ctrl or the middle button an entry is a link as any other, to a tab of its own. The
// `js_on_load` of the list passes "choose" on to Gradio.
import { askText, isConfirmed } from "./dialog.js";
import { fill, find, findAll } from "./dom.js";
import { words } from "./language.js";
import { offerMenu } from "./menu.js";
import { shareConversation } from "./sharing.js";

function choose(event, data) {
  const list = find("#sessions nav, #sessions .no-sessions");
  list.dispatchEvent(new CustomEvent("choose", { detail: { event, data }, bubbles: true }));
}

function pin({ session, pinned }) {
  choose("like", { session_id: session, pinned: !pinned });
}

export async function renameConversation({ session, title }) {
  const wanted = await askText("rename_ask", "rename", title);
  if (wanted) choose("edit", { session_id: session, title: wanted });
}

async function move({ session, in: folder = "" }) {
  const known = [...findAll("#sessions [data-folder]")].map((heading) => heading.dataset.folder);
  const wanted = await askText("folder_ask", "move", folder, known);
  if (wanted) choose("submit", { session_id: session, folder: wanted });
}

const unmove = ({ session }) => choose("submit", { session_id: session, folder: "" });

async function remove({ session, title }) {
  if (await isConfirmed("delete_confirm", "delete", { title })) choose("delete", { session_id: session });
}

function offerActions(button, conversation) {
  const actions = conversation.unreadable
    ? { [words("export_json")]: () => choose("download", { session_id: conversation.session }) }
    : {
        [words(conversation.pinned ? "unpin" : "pin")]: () => pin(conversation),
        [words("rename")]: () => renameConversation(conversation),
        [words("share")]: () => shareConversation(conversation),
        [words("move_to_folder")]: () => move(conversation),
        ...(conversation.in && { [words("move_out")]: () => unmove(conversation) }),
      };
  offerMenu(button, { ...actions, [words("delete")]: () => remove(conversation) });
}

// Whoever asks for older ones goes on with the first of them: the button moves to their end, or is gone.
function showOlder() {
  const entries = () => [...findAll("#sessions .session")];
  const known = new Set(entries().map((entry) => entry.dataset.session));
  new MutationObserver((_, observer) => {
    observer.disconnect();
    const added = entries().find((entry) => !known.has(entry.dataset.session));
    added?.querySelector("[data-action]").focus();
  }).observe(find("#sessions nav"), { childList: true, subtree: true });
  choose("expand", {});
}

export const openConversation = (id) => choose("select", { session_id: id });

// At the last message of this run of bubbles.
export const branchConversation = (run) => choose("copy", { run });

// Finds all that is in a folder; more words narrow it down.
function search({ dataset }) {
  const field = find("#search textarea, #search input");
  fill(field, `folder:"${dataset.folder}" `);
  field.focus();
}

const ACTIONS = {
  open: (_, { session }) => openConversation(session),
  menu: offerActions,
  folder: search,
  older: showOlder,
};

function clicked(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const button = event.target.closest("[data-action]");
  if (button?.matches("a")) event.preventDefault();
  if (button) ACTIONS[button.dataset.action](button, button.closest("[data-session]")?.dataset);
}

export function start() {
  find("#sessions").addEventListener("click", clicked);
}
