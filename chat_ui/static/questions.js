// A list of the person's own questions in a long conversation, of which each leads to its place. Those that are not on
// the page are loaded first, as earlier messages are.
import { afterChanges } from "./changes.js";
import { openDialog } from "./dialog.js";
import { element, find, findAll } from "./dom.js";
import { words } from "./language.js";
import { keepScrollPosition, letGo } from "./scrolling.js";

const LONG_MESSAGES = 40;

let wanted; // the question that is shown as soon as it is on the page
let open = "";

// `fingerprint` ends in how many messages the conversation has.
export function offerQuestions({ session_id: session, fingerprint }) {
  document.body.classList.toggle("long-conversation", Number(fingerprint.split(" ")[1]) > LONG_MESSAGES);
  if (session !== open) wanted = undefined;
  open = session;
}

// `questions` have their text, and how many of the latest messages are shown when they are.
export async function showQuestions(questions) {
  const heading = element("h2", { id: "dialog-name", textContent: words("questions") });
  const items = questions.map(({ text }, index) => element("li", {}, element("button", { value: index, textContent: text })));
  const form = element("form", { method: "dialog" }, heading, element("ol", {}, ...items));
  const answer = await openDialog("question questions", form);
  if (answer === "") return;
  wanted = { fromEnd: questions.length - answer, window: questions[answer].window };
  if (!jump()) find("#earlier").click();
}

// What the server is told when earlier messages are wanted: with a question, as many as there are up to it.
export function showEarlier(values) {
  if (wanted) return values.map((value) => (value?.window ? { ...value, window: wanted.window } : value));
  keepScrollPosition();
  return values;
}

function jump() {
  const row = wanted && [...findAll("#chatbot .user-row")].at(-wanted.fromEnd);
  if (!row) return false;
  wanted = undefined;
  letGo();
  row.scrollIntoView({ block: "start" });
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  return true;
}

export const start = () => afterChanges(jump);
