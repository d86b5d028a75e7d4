// Text appears evenly while a reply is written. The server sends five frames a second (chat_ui/page/pacing.py),
// each with all that came meanwhile, and Gradio 6.31 shows a frame at once. So the stream is passed on to Gradio
// in smaller frames: each is shown in STEPS parts. A reader who prefers reduced motion gets it as it comes, and
// nobody waits for a tab that is not seen.
import { passThrough } from "./streams.js";

const TICK_MILLISECONDS = 40;
const STEPS = 5;

const asItComes = () => document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;

export function start() {
  passThrough(smoothed);
}

const smoothed = (body) =>
  body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream(new Smoother())).pipeThrough(new TextEncoderStream());

// Takes server-sent events as text, in any cut, and gives them out one by one.
class Smoother {
  #rest = "";
  #waiting = []; // events as text, and frames whose text is given out in parts
  #step = 0; // characters a tick
  #timer = 0;

  transform(chunk, controller) {
    const events = (this.#rest + chunk).split("\n\n");
    this.#rest = events.pop();
    this.#waiting.push(...events.map((event) => growth(event) ?? event));
    this.#step = Math.ceil(this.#waiting.reduce((sum, { text }) => sum + (text?.length ?? 0), 0) / STEPS);
    if (asItComes()) this.flush(controller);
    else if (!this.#timer) this.#giveOut(controller);
  }

  // The stream has ended: there is nothing to wait for.
  flush(controller) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const event of this.#waiting.splice(0)) controller.enqueue(asText(event, event.text));
  }

  #giveOut(controller) {
    if (controller.desiredSize === null) return; // the connection has broken meanwhile
    if (asItComes()) return this.flush(controller);
    let left = this.#step;
    while (this.#waiting.length) {
      const [event] = this.#waiting;
      if (event.text?.length > left) {
        if (left) controller.enqueue(asText(event, this.#cut(event, left)));
        break;
      }
      left -= event.text?.length ?? 0;
      controller.enqueue(asText(this.#waiting.shift(), event.text));
    }
    this.#timer = this.#waiting.length && setTimeout(() => outsideTimers(() => this.#giveOut(controller)), TICK_MILLISECONDS);
  }

  #cut(event, length) {
    const splitsCharacter = /[\uD800-\uDBFF]/.test(event.text[length - 1]);
    const part = event.text.slice(0, length + splitsCharacter);
    event.text = event.text.slice(part.length);
    return part;
  }
}

// A frame that does nothing but append text, ready to be sent with any part of it; otherwise nothing.
function growth(event) {
  if (!event.startsWith('data: {"msg":"process_generating"')) return undefined;
  const message = JSON.parse(event.slice("data: ".length));
  const changes = message.output.data;
  if (!Array.isArray(changes[0]) || changes[0].length !== 1 || changes.slice(1).some((other) => other?.length !== 0)) return undefined;
  const [[operation, path, text]] = changes[0];
  if (operation !== "append" || typeof text !== "string") return undefined;
  const withText = (part) => ({ ...message, output: { ...message.output, data: [[[operation, path, part]], ...changes.slice(1)] } });
  return { text, withText };
}

// Gradio's client puts each event off by a timer of its own. One that is set within a row of timers waits 4 ms longer, and
// what comes from the network meanwhile would overtake it.
function outsideTimers(task) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    task();
  };
  port2.postMessage(null);
}

const asText = (event, text) =>
  event.withText ? `data: ${JSON.stringify(event.withText(text))}\n\n` : `${event}\n\n`;
