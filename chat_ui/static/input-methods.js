// The Enter that ends a composition (Chinese, Japanese …) chooses a word and sends nothing. Gradio 6.31 sends at
// every Enter. Not needed any more when the test of compositions in tests/browser/test_typing.py passes without.
const SAFARI_COMPOSED = 229; // Safari reports the Enter after the composition, with this key code

const endsComposition = (event) =>
  event.key === "Enter" && (event.isComposing || event.keyCode === SAFARI_COMPOSED);

export function start() {
  for (const type of ["keydown", "keypress"])
    addEventListener(type, (event) => endsComposition(event) && event.stopImmediatePropagation(), true);
}
