// In the header: the title of the conversation, which a click renames, or the app's name where there is none.
import { find } from "./dom.js";
import { words } from "./language.js";
import { renameConversation } from "./session-list.js";

const button = () => find("#title button");

let shown = {};

export function showTitle({ session_id, title, temporary }, name) {
  shown = { session: session_id, title };
  const canRename = title !== "" && !temporary;
  Object.assign(button(), { textContent: title || name, disabled: !canRename, title: canRename ? words("rename") : "" });
}

export const start = () => button().addEventListener("click", () => renameConversation(shown));
