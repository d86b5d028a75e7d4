// Counts seconds to wait down, wherever they stand, and those that a picture takes up; when the former are over, messages.css shows what is said then in
// their place. Under a failure there is a button to have the next try made then: whoever presses it need not wait.
import { afterChanges } from "./changes.js";
import { findAll, isReplyRunning } from "./dom.js";

// The end of the wait after which the reader wants another try; none if they did not ask for one.
let retryAt = "";

const secondsLeft = (wait) => Math.max(0, Math.ceil((Date.parse(wait.dateTime) - Date.now()) / 1000));

// The button for that, which view.py marks with a clock; the one before it tries again at once.
const laterButton = () => [...findAll("#chatbot .option")].find((option) => option.textContent.startsWith("⏱"));

const lastFailure = () => [...findAll("#chatbot .failure .countdown")].at(-1);

function count() {
  for (const taken of findAll(".elapsed")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(taken.dateTime)) / 1000));
    if (taken.textContent !== `${seconds} s`) taken.textContent = `${seconds} s`;
  }
  for (const wait of findAll(".countdown")) {
    const seconds = secondsLeft(wait);
    if (wait.textContent !== `${seconds}`) wait.textContent = seconds;
    wait.closest(".wait").classList.toggle("over", !seconds);
  }
  const [wait, later] = [lastFailure(), laterButton()];
  if (wait && later) offer(wait, later);
}

function offer(wait, later) {
  const isOver = !secondsLeft(wait);
  const again = later.previousElementSibling;
  later.hidden = isOver;
  later.ariaPressed = retryAt === wait.dateTime;
  again.classList.toggle("due", isOver);
  if (!isOver || retryAt !== wait.dateTime || isReplyRunning()) return;
  retryAt = "";
  again.click();
}

// Before Gradio hears of it, which would try again at once.
function noteWish(event) {
  const [wait, later] = [lastFailure(), laterButton()];
  if (!wait || !later?.contains(event.target)) return;
  event.stopImmediatePropagation();
  retryAt = retryAt === wait.dateTime ? "" : wait.dateTime;
  count();
}

export function start() {
  addEventListener("click", noteWish, true);
  afterChanges(count);
  setInterval(count, 1000);
}
