// A file that is let go anywhere on the page goes into the message box, which takes or refuses it; a sign over the
// page says so before.
import { element, find, isCovered, messageBox } from "./dom.js";
import { words } from "./language.js";

const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files") && !isCovered();

// overlays.css shows the sign by this class.
const showSign = (shown) => document.body.classList.toggle("dropping", shown);

function over(event) {
  if (!hasFiles(event)) return;
  event.preventDefault(); // else the browser would open the file in place of the page
  showSign(true);
}

function left({ relatedTarget }) {
  if (!relatedTarget) showSign(false);
}

function dropped(event) {
  showSign(false);
  if (!hasFiles(event) || event.target.closest("#box, #import")) return;
  event.preventDefault();
  const { dataTransfer } = event;
  messageBox().dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}

export function start() {
  find(".gradio-container").append(element("p", { className: "drop-sign", textContent: words("drop_here") }));
  addEventListener("dragover", over);
  addEventListener("dragleave", left);
  addEventListener("drop", dropped);
}
