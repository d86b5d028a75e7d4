// What happened in another tab is asked for when this one is looked at.
import { find } from "./dom.js";

export const refresh = () => find("#refresh")?.click();

const refreshIfVisible = () => document.visibilityState === "visible" && refresh();

export function start() {
  document.addEventListener("visibilitychange", refreshIfVisible);
  addEventListener("focus", refreshIfVisible);
}
