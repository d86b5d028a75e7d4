// A message is copied as it was said. Gradio 6.31 copies the text that the Chatbot was given, and of a piece of
// code it takes away the indentation of the first line. Not needed any more when the tests of copying in
// tests/browser/test_replies.py pass without it.
import { said } from "./message-text.js";

// The piece of code whose button was clicked last; none if something else was clicked since.
let code;

const noteCode = ({ target }) => (code = target.closest(".copy_code_button")?.nextElementSibling);

export function start() {
  const write = navigator.clipboard?.writeText.bind(navigator.clipboard);
  if (!write) return; // a page that came without TLS has no clipboard
  addEventListener("click", noteCode, true);
  navigator.clipboard.writeText = (text) => write(code ? code.textContent.replace(/\n$/, "") : said(text));
}
