// A lost connection is told in the reader's language. Gradio 6.31 notices it too, tells it in English only, and
// loads the page again when the server answers. Not needed any more when gr.I18n has words for that.
import { isReplyRunning } from "./dom.js";
import { refresh } from "./refresh.js";
import { passThrough } from "./streams.js";

// A stream gives a sign of life every 15 seconds (Gradio's heartbeat). After a longer silence its connection is
// dead, which a browser is not always told: for instance when the computer has changed to another network.
const SILENCE_MS = 25_000;
const LOOK_MS = 5_000;
const RETRY_MS = 1_000;

let heardAt = 0;
let isLoadingAgain = false;

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

// The same stream; when it was heard last is noted.
function listened(stream) {
  const transform = (piece, onwards) => {
    heardAt = Date.now();
    onwards.enqueue(piece);
  };
  heardAt = Date.now();
  return stream.pipeThrough(new TransformStream({ transform }));
}

// Everything comes back with the page: the reply, which went on, by its address, and what was typed.
async function loadAgain() {
  if (isLoadingAgain) return;
  isLoadingAgain = true;
  while (!(await isServerThere())) await new Promise((over) => setTimeout(over, RETRY_MS));
  location.reload();
}

const isServerThere = () =>
  fetch("healthz", { cache: "no-store" }).then(
    () => true,
    () => false,
  );

export function start() {
  watchRequests();
  passThrough(listened);
  addEventListener("offline", () => setLost(true));
  addEventListener("online", () => (isReplyRunning() ? loadAgain() : refresh()));
  setInterval(() => {
    if (isReplyRunning() && Date.now() - heardAt > SILENCE_MS) loadAgain();
  }, LOOK_MS);
}
