// Before anything else on the page: the language that was chosen on it, for what finds its words in the
// browser.
(() => {
  const chosen = localStorage.getItem("language");
  if (chosen) Object.defineProperty(navigator, "language", { get: () => chosen });
  document.documentElement.lang = navigator.language;
})();
