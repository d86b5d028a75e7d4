// What was said, out of what a message holds so that Gradio 6.31 shows it to the character (chat_ui's view.py).
// Its Chatbot takes what a person wrote for Markdown, drops the indentation, and makes spaces of a reply's tabs;
// and it gives this text away where a message is copied or edited. Not needed any more when a Chatbot shows a
// message as it is without the HTML and the byte order marks that view.py adds.
const plain = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;

// Without what keeps a reply's tabs.
const withTabs = (text) => (text.includes("\ufeff") ? text.replace(/^ (?=```|~~~)|\ufeff/gm, "") : text);

// Without the face and the quiet lines above and under a reply.
const withoutNotes = (text) =>
  text.replace(/^(<span class="(speaker|note[^"]*)">.*?<\/span>\n*)+|\n*<span class="note[^"]*">[^<]*<\/span>$/g, "");

// Whose each of several replies side by side is.
const named = (text) => text.replace(/<span class="voice">.*?<\/span>/g, plain);

// Whether this is a person's text or pictures, as HTML.
export const isFromUser = (text) => /^<(pre class="user-text"|img class="picture")/.test(text);

// A person's message as they typed it.
export const typed = (text) =>
  text.replace(/<pre class="user-text">.*?<\/pre>|<img class="picture"[^>]*>/g, plain);

// The numbers of footnotes as they were written.
const withFootnotes = (text) =>
  text.replace(/<sup class="footnote( text)?">(\d+)<\/sup>/g, (_, isText, number) => `[^${number}]${isText ? ":" : ""}`);

// Of a picture that a model has made, the words in its place.
const inWords = (text) => text.replace(/<img class="drawn picture"[^>]* alt="([^"]*)">/g, (_, name) => `[picture: ${plain(name)}]`);

// Anybody's message as it was said.
export const said = (text) => withFootnotes(withTabs(typed(named(inWords(withoutNotes(text))))));
