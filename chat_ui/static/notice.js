// The notice about the embedded model can be closed, and stays closed in this browser.
import { afterChanges } from "./changes.js";
import { findAll } from "./dom.js";

const KEY = "chat.noticeClosed";

// banners.css hides it by this class.
const hide = () => document.documentElement.classList.add("notice-closed");

function close() {
  localStorage.setItem(KEY, "true");
  hide();
}

// Gradio lets no buttons through in a text: its words become one here.
function becomeButton(words) {
  const button = Object.assign(document.createElement("button"), {
    className: words.className,
    title: words.textContent,
    ariaLabel: words.textContent,
    textContent: "✕",
  });
  button.addEventListener("click", close);
  words.replaceWith(button);
}

export function start() {
  if (localStorage.getItem(KEY)) hide();
  afterChanges(() => findAll("#notice span.close-notice").forEach(becomeButton));
}
