// A picture of a message opens large, by a click or by the keyboard.
import { afterChanges } from "./changes.js";
import { openDialog } from "./dialog.js";
import { element, findAll } from "./dom.js";
import { words } from "./language.js";

function enlarge({ src, alt }) {
  const close = element("button", { className: "close", ariaLabel: words("close"), title: words("close"), textContent: "✕" });
  const name = element("h2", { id: "dialog-name", textContent: alt });
  openDialog("enlarged", element("form", { method: "dialog" }, name, close), element("img", { src, alt }));
}

function becomeButton(picture) {
  Object.assign(picture, { tabIndex: 0, role: "button", title: words("enlarge") });
  picture.addEventListener("click", () => enlarge(picture));
  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge(picture);
  });
}

export const start = () => afterChanges(() => findAll("#chatbot .picture:not([tabindex])").forEach(becomeButton));
