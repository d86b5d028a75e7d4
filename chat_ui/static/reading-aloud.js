// A reply is read aloud, where the browser has a voice: its text, sentence by sentence, without code, formulas and what
// was thought. Another click ends that, and so does leaving the conversation.
import { afterChanges } from "./changes.js";
import { findAll } from "./dom.js";
import { offer } from "./message-buttons.js";
import { hasAgreed, sayProblem } from "./speech.js";

const { speechSynthesis } = window;

const LEFT_OUT = "pre, .code_wrap, .katex, .speaker, .face, .note, .failure, .footnote, svg, button";
const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, td, th, summary, dt, dd, br";

// By how a language is written, as far as that tells; the first one that makes a fifth of the letters.
const WRITTEN = {
  "ja-JP": /[\p{Script=Hiragana}\p{Script=Katakana}]/gu,
  "zh-CN": /\p{Script=Han}/gu,
  "ko-KR": /\p{Script=Hangul}/gu,
  "ru-RU": /\p{Script=Cyrillic}/gu,
  "ar-SA": /\p{Script=Arabic}/gu,
  "hi-IN": /\p{Script=Devanagari}/gu,
};
const SHARE = 1 / 5;

let reading; // the row that is read, its text, and what is spoken, which Chrome forgets where nothing else knows of it

function textOf(row) {
  const parts = [...row.querySelectorAll(".message-content .md")].filter((part) => !part.closest(".thought-group"));
  const texts = parts.map((part) => {
    const copy = part.cloneNode(true);
    for (const other of copy.querySelectorAll(LEFT_OUT)) other.remove();
    for (const block of copy.querySelectorAll(BLOCKS)) block.append("\n");
    return copy.textContent.trim();
  });
  return texts.filter(Boolean).join("\n");
}

const count = (text, letters) => text.match(letters)?.length ?? 0;

function languageOf(text) {
  const least = count(text, /\p{L}/gu) * SHARE;
  const isWritten = (language) => count(text, WRITTEN[language]) > least;
  const { language } = navigator;
  const latin = Object.keys(WRITTEN).some((other) => sameLanguage(other, language)) ? "en-US" : language;
  return Object.keys(WRITTEN).find(isWritten) ?? latin;
}

const primary = (language) => language.toLowerCase().split(/[-_]/)[0];
const sameLanguage = (one, other) => primary(one) === primary(other);

// One of this machine, which tells nobody, and of the same country, if there is one.
function voiceFor(language) {
  const wanted = language.toLowerCase();
  const worth = ({ localService, lang }) => 2 * localService + (lang.toLowerCase().replace("_", "-") === wanted);
  const fit = speechSynthesis.getVoices().filter(({ lang }) => sameLanguage(lang, language));
  return fit.sort((one, other) => worth(other) - worth(one))[0];
}

function show() {
  for (const button of findAll("#chatbot .read_aloud")) {
    const buttons = button.closest(".message-buttons");
    const isRead = reading !== undefined && buttons.previousElementSibling === reading.row;
    button.ariaPressed = String(isRead);
    buttons.classList.toggle("reading", isRead);
  }
}

export function stopReading() {
  if (!reading) return;
  reading = undefined;
  speechSynthesis.cancel();
  show();
}

function speak(row, text, language, voice) {
  const sentences = Array.from(new Intl.Segmenter(language, { granularity: "sentence" }).segment(text), ({ segment }) => segment.trim());
  const spoken = sentences.filter(Boolean).map((sentence) => Object.assign(new SpeechSynthesisUtterance(sentence), { lang: language, voice }));
  const own = { row, text, spoken };
  const over = () => own === reading && stopReading();
  const failed = () => {
    if (own === reading) sayProblem("reading_failed");
    over();
  };
  for (const sentence of spoken) sentence.addEventListener("error", failed);
  spoken.at(-1).addEventListener("end", over);
  reading = own;
  spoken.forEach((sentence) => speechSynthesis.speak(sentence));
  show();
}

async function read(row) {
  const isRead = reading?.row === row;
  stopReading();
  sayProblem("");
  if (isRead) return;
  const text = textOf(row);
  if (!text) return sayProblem("nothing_to_read");
  const language = languageOf(text);
  const voice = voiceFor(language);
  if (!voice && speechSynthesis.getVoices().length) return sayProblem("no_voice");
  if (voice?.localService === false && !(await hasAgreed("voice_hint", "read_aloud"))) return;
  speak(row, text, language, voice ?? null);
}

// What is read may go on, but not become something else.
function look() {
  if (reading && !(reading.row.isConnected && textOf(reading.row).startsWith(reading.text))) stopReading();
  show();
}

export function start() {
  if (!speechSynthesis) return;
  speechSynthesis.getVoices(); // some browsers look for them only when they are asked
  offer("read_aloud", read, (row) => row.matches(".bot-row:not(:has(.drawn))"));
  afterChanges(look);
  addEventListener("pagehide", stopReading); // else the browser would go on
}
