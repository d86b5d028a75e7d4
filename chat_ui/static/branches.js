// A new conversation from any message on; the notice there leads back to where it comes from.
import { find, findAll } from "./dom.js";
import { offer } from "./message-buttons.js";
import { branchConversation, openConversation } from "./session-list.js";

const branch = (row) => branchConversation([...findAll("#chatbot .message-row")].indexOf(row));

// In this tab, where Gradio's links open another one, unless that is wanted.
function followed(event) {
  const link = event.target.closest('a[href*="?c="]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openConversation(new URL(link.href).searchParams.get("c"));
}

export function start() {
  offer("branch", branch);
  find("#notice").addEventListener("click", followed);
}
