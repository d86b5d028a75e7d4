// A click in the list of conversations becomes the Gradio event of its action, after asking where there is
// something to ask; with Ctrl or the middle button an entry is a link as any other, to a tab of its own. The
// `js_on_load` of the list passes "choose" on to Gradio.
import { find, findAll } from "./dom.js";

const GRADIO_EVENTS = { open: "select", rename: "edit", delete: "delete", pin: "like", unpin: "like", older: "expand" };

// What the server is told; nothing if the person thought better of it.
function chosen({ action }, { session, title } = {}, { askRename, askDelete }) {
  const data = { session_id: session, pinned: action === "pin" };
  if (action === "delete" && !confirm(askDelete.replace("{title}", () => title))) return null;
  if (action === "rename" && !(data.title = prompt(askRename, title)?.trim())) return null;
  return data;
}

// Whoever asks for older ones goes on with the first of them: the button moves to their end, or is gone.
function focusFirstNew() {
  const entries = () => [...findAll("#sessions .session")];
  const known = new Set(entries().map((entry) => entry.dataset.session));
  new MutationObserver((_, observer) => {
    observer.disconnect();
    const added = entries().find((entry) => !known.has(entry.dataset.session));
    added?.querySelector("[data-action]").focus();
  }).observe(find("#sessions nav"), { childList: true, subtree: true });
}

function choose(element, action, data) {
  const detail = { event: GRADIO_EVENTS[action], data };
  element.dispatchEvent(new CustomEvent("choose", { detail, bubbles: true }));
}

export const openConversation = (id) =>
  choose(find("#sessions nav, #sessions .no-sessions"), "open", { session_id: id });

function clicked(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const button = event.target.closest("[data-action]");
  const data =
    button && chosen(button.dataset, button.closest("[data-session]")?.dataset, button.closest("nav").dataset);
  if (!data) return;
  if (button.dataset.action === "older") focusFirstNew();
  choose(button, button.dataset.action, data);
}

export function start() {
  find("#sessions").addEventListener("click", clicked);
}
