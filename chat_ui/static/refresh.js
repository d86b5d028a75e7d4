// What happened in another tab is asked for when this one is looked at, and the title that a model finds for a
// conversation a moment after the first reply.
import { afterChanges } from "./changes.js";
import { find, findAll, isReplyRunning } from "./dom.js";

const TITLE_AFTER_SECONDS = [2, 8];

let wasRunning = false;

export const refresh = () => find("#refresh")?.click();

const refreshIfVisible = () => document.visibilityState === "visible" && refresh();

const refreshIfIdle = () => isReplyRunning() || refresh();

function awaitTitle() {
  const hasEnded = wasRunning && !isReplyRunning();
  wasRunning = isReplyRunning();
  if (hasEnded && findAll("#chatbot .message.user").length === 1)
    for (const seconds of TITLE_AFTER_SECONDS) setTimeout(refreshIfIdle, seconds * 1000);
}

export function start() {
  document.addEventListener("visibilitychange", refreshIfVisible);
  addEventListener("focus", refreshIfVisible);
  afterChanges(awaitTitle);
}
