// What was typed and not sent survives a reload.
import { fill, messageBox } from "./dom.js";

export function start() {
  const draft = sessionStorage.getItem("draft");
  if (draft && messageBox()) fill(messageBox(), draft);
  addEventListener("pagehide", () => sessionStorage.setItem("draft", messageBox()?.value ?? ""));
}
