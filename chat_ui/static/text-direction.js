// Gradio 6.31 writes the `dir` of each message again with each frame: Svelte 5 does so after any change inside, as
// Chromium would not notice that a text with dir=auto has got another direction. But Chromium takes that for a change
// and works out the style of all that is inside anew, of each word of code. What is not "auto" is written only when
// it changes. Not needed any more when tests/browser/test_long_conversations.py passes without it.
export function start() {
  const direction = Object.getOwnPropertyDescriptor(HTMLElement.prototype, "dir");
  const set = function (value) {
    if (value === "auto" || value !== this.dir) direction.set.call(this, value);
  };
  Object.defineProperty(HTMLElement.prototype, "dir", { ...direction, set });
}
