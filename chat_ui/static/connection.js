// A lost connection is told in the reader's language. Gradio 6.31 notices it too, tells it in English only, and
// loads the page again when the server answers. Not needed any more when gr.I18n has words for that.
import { refresh } from "./refresh.js";

// banners.css shows the banner, and hides Gradio's messages, by this class.
const setLost = (lost) => document.body.classList.toggle("lost", lost);

// Every request tells whether the server can be reached.
function watchRequests() {
  const request = window.fetch;
  window.fetch = async (...parameters) => {
    try {
      const answer = await request(...parameters);
      setLost(false);
      return answer;
    } catch (error) {
      if (error.name !== "AbortError") setLost(true);
      throw error;
    }
  };
}

export function start() {
  watchRequests();
  addEventListener("offline", () => setLost(true));
  addEventListener("online", refresh);
}
