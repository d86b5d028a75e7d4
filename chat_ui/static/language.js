// The language that was chosen on the page takes the place of the browser's. Gradio 6.31 finds its own words and
// those of gr.I18n by navigator.language alone, once, when its script begins; hence this is done on import,
// before that. Not needed any more when a page can tell gr.I18n its language.
const chosen = localStorage.getItem("language");
if (chosen) Object.defineProperty(navigator, "language", { get: () => chosen });
document.documentElement.lang = navigator.language;

export const language = () => (navigator.language.startsWith("zh") ? "zh" : "en");

// What texts.py has under that key, with its {facts} filled in.
export const words = (key, facts = {}) =>
  window.gradio_config.i18n_translations[language()][key].replace(/\{(\w+)\}/g, (_, name) => facts[name]);

// A language was chosen: if it is another one, all words are found anew.
export function setLanguage(wanted) {
  if (wanted.startsWith(language())) return;
  localStorage.setItem("language", wanted);
  document.cookie = `language=${wanted}; path=/; max-age=31536000; samesite=lax`; // for the login page
  location.reload();
}
