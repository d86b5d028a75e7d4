// Who chooses the role of their own is shown where its prompt is written.
import { find } from "./dom.js";

export function roleChosen(role) {
  if (role !== "custom") return;
  if (!find("#drawer").classList.contains("open")) find("#drawer .toggle-button").click();
  find("#prompt textarea").focus();
}
