// Who chooses the role of their own is shown where its prompt is written.
import { find } from "./dom.js";
import { openDrawer } from "./panels.js";

export function roleChosen(role) {
  if (role !== "custom") return;
  openDrawer();
  find("#prompt textarea").focus();
}
