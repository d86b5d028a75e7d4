// A microphone in the message box, where the browser can turn speech into words: they stand behind the draft as they
// come. Another click and Escape end the dictation, and so does sending or leaving the message.
import { afterChanges } from "./changes.js";
import { element, fill, find, isCovered, messageBox } from "./dom.js";
import { backToBox } from "./focus.js";
import { words } from "./language.js";
import { hasAgreed, sayProblem } from "./speech.js";

const Recogniser = isSecureContext && (window.SpeechRecognition ?? window.webkitSpeechRecognition);

// Android's Chrome tells again with each phrase what came before it, where it is to hear more than one.
const hearsOnePhrase = /Android/.test(navigator.userAgent);

const PROBLEMS = {
  "not-allowed": "dictation_not_allowed",
  "service-not-allowed": "dictation_not_allowed",
  "audio-capture": "dictation_no_microphone",
  "network": "dictation_network",
  "no-speech": "dictation_nothing_heard",
  "language-not-supported": "dictation_language",
};

let recogniser; // while it listens
let draft = ""; // what stands before the words that are heard
let shown = ""; // what the box held when they were put there
let heardBefore = 0; // how many phrases are in the draft
let heard = 0; // how many there are

function show() {
  find("#box .dictate").ariaPressed = String(recogniser !== undefined);
}

// Chinese and Japanese have no spaces between words.
const NEEDS_NO_SPACE = /(^|[\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uffef])$/u;

const joined = (text, phrase) => text + (NEEDS_NO_SPACE.test(text) ? "" : " ") + phrase.trimStart();

// The latest phrase is told again and again until it is whole. Where the box was changed meanwhile, that stays, and
// what is heard from then on comes behind it.
function write({ results }) {
  const box = messageBox();
  if (box.value !== shown) [draft, heardBefore] = [box.value, heard];
  heard = results.length;
  const phrases = Array.from(results, (result) => result[0].transcript).slice(heardBefore).join("");
  shown = phrases.trim() ? joined(draft, phrases) : draft;
  fill(box, shown);
  box.scrollTop = box.scrollHeight;
}

function over() {
  recogniser = undefined;
  show();
}

function listen() {
  const own = Object.assign(new Recogniser(), {
    lang: navigator.language,
    continuous: !hearsOnePhrase,
    interimResults: true,
  });
  const on = (event, react) => own.addEventListener(event, (what) => own === recogniser && react(what));
  on("result", write);
  on("error", ({ error }) => error !== "aborted" && sayProblem(PROBLEMS[error] ?? "dictation_failed"));
  on("end", () => {
    over();
    backToBox();
  });
  recogniser = own;
  draft = shown = messageBox().value;
  heardBefore = heard = 0;
  own.start();
  show();
}

async function pressed() {
  sayProblem("");
  if (recogniser) recogniser.stop(); // what was said is still written
  else if (await hasAgreed("dictation_hint", "dictation_agree")) listen();
}

// At once: what was said last belongs to nothing any more.
export function leaveDictation() {
  const left = recogniser;
  if (!left) return;
  over();
  left.abort();
}

function escaped(event) {
  if (event.key !== "Escape" || event.isComposing || !recogniser || isCovered()) return;
  event.stopImmediatePropagation(); // it does not stop the reply as well
  recogniser.stop();
}

function offer() {
  if (find("#box .dictate")) return;
  const button = element("button", { type: "button", className: "dictate", ariaPressed: "false" });
  button.title = button.ariaLabel = words("dictate");
  button.addEventListener("click", pressed);
  find("#box .textarea-wrapper").after(button);
}

export function start() {
  if (!Recogniser) return;
  afterChanges(offer);
  addEventListener("keydown", escaped, true);
}
