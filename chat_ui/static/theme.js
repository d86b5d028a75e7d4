// Light or dark, as the reader has chosen; as the system has it where they have not. Gradio 6.31 asks matchMedia alone
// and hears of changes from it, so that it is given an answer of ours; hence this is done on import, before Gradio's
// script begins. What the page looks like before that, base.css says by the attribute that server.py sets. Not needed
// any more when a page can tell Gradio its theme while it is open.
const KEY = "theme";
const DARK = "(prefers-color-scheme: dark)";

const ask = window.matchMedia.bind(window);
const system = ask(DARK);

export const SYSTEM = "";
export const chosenTheme = () => localStorage.getItem(KEY) ?? SYSTEM;

let isPrinted = false;

const isDark = () => !isPrinted && (chosenTheme() || (system.matches ? "dark" : "light")) === "dark";

const answer = new EventTarget();
Object.defineProperty(answer, "matches", { get: isDark });
window.matchMedia = (query) => (query === DARK ? answer : ask(query));

const tellGradio = () => answer.dispatchEvent(new Event("change"));
system.addEventListener("change", tellGradio);

function show(theme) {
  document.documentElement.dataset.theme = theme;
  tellGradio();
}

export function setTheme(theme) {
  localStorage.setItem(KEY, theme);
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`; // for the login page
  show(theme);
}

// Paper is white.
function print(isOn) {
  isPrinted = isOn;
  show(isOn ? "light" : chosenTheme());
}

addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));
