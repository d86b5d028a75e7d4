// A block of code says its language, wraps its lines and becomes a file, and a long one folds; Gradio has the button
// that copies it. All that begins when the reply has ended, for until then Gradio draws it anew with each frame.
import { afterChanges } from "./changes.js";
import { element, findAll, isReplyRunning, messageList } from "./dom.js";
import { download } from "./downloads.js";
import { fold } from "./folding.js";
import { words } from "./language.js";
import { isFollowed } from "./scrolling.js";

const LINES = 40;
const ENDINGS = {
  bash: "sh",
  csharp: "cs",
  javascript: "js",
  kotlin: "kt",
  latex: "tex",
  markdown: "md",
  python: "py",
  ruby: "rb",
  rust: "rs",
  shell: "sh",
  typescript: "ts",
  yaml: "yml",
};

let wasRunning = false;

const languageOf = (code) => /language-([\w+#-]+)/.exec(code.className)?.[1] ?? "";

function save(code) {
  const language = languageOf(code).toLowerCase();
  const ending = ENDINGS[language] ?? (/^[a-z]\w{0,9}$/.test(language) ? language : "txt");
  download({ name: `code.${ending}`, text: code.textContent });
}

function wrap(block, button) {
  button.ariaPressed = block.classList.toggle("wrapped");
}

function tool(key, press) {
  const button = element("button", { type: "button", className: `own-button ${key}`, title: words(key), ariaLabel: words(key) });
  button.addEventListener("click", () => press(button));
  return button;
}

// What is added stands behind the code, which copying.js finds beside the button that copies, and has no text of its own,
// which would be copied along.
function equip(block, isRead) {
  const code = block.querySelector("code");
  block.dataset.language = languageOf(code);
  if (code.textContent.trimEnd().split("\n").length > LINES) fold(code.parentElement, { isOpen: isRead });
  const tools = [tool("wrap_code", (button) => wrap(block, button)), tool("save_code", () => save(code))];
  block.append(element("div", { className: "code-tools" }, ...tools));
}

// What a reader has in sight, or has scrolled past, keeps its height.
const begins = (block) => block.getBoundingClientRect().top < messageList().getBoundingClientRect().bottom;

function equipAll() {
  const hasEnded = wasRunning && !isReplyRunning();
  wasRunning = isReplyRunning();
  if (wasRunning) return;
  const isElsewhere = hasEnded && !isFollowed();
  for (const block of findAll("#chatbot .code_wrap:not(:has(> .code-tools))")) equip(block, isElsewhere && begins(block));
}

export const start = () => afterChanges(equipAll);
