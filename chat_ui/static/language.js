// The language that was chosen on the page takes the place of the browser's. Gradio 6.31 finds its own words and
// those of gr.I18n by navigator.language alone, once, when its script begins; hence this is done on import,
// before that. Not needed any more when a page can tell gr.I18n its language.
const chosen = localStorage.getItem("language");
if (chosen) Object.defineProperty(navigator, "language", { get: () => chosen });
document.documentElement.lang = navigator.language;

const shown = () => (navigator.language.startsWith("zh") ? "zh" : "en");

// What texts.py has under that key, with its {facts} filled in.
export const words = (key, facts = {}) =>
  window.gradio_config.i18n_translations[shown()][key].replace(/\{(\w+)\}/g, (_, name) => facts[name]);

// A language was chosen: if it is another one, all words are found anew. Gradio says so too when the field is left.
export function setLanguage(language) {
  if (language.startsWith(shown())) return;
  localStorage.setItem("language", language);
  document.cookie = `language=${language}; path=/; max-age=31536000; samesite=lax`; // for the login page
  location.reload();
}
