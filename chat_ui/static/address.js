// The address names the open conversation, so that each tab, a reload and a bookmark find their own. Another
// conversation is a step, which Back takes back: Back and Forward have opened what the address names then.
import { find } from "./dom.js";
import { openConversation } from "./session-list.js";

let shown; // as it was rendered last
let asked; // the id that Back or Forward led to; none when they are not under way

const named = () => new URLSearchParams(location.search).get("c") ?? "";

// What the server is told: the conversation of the address, where there is one, or the one that was open last.
export const sessionToOpen = (last) => ({ session_id: named() || last, linked: named() !== "" });

function walk() {
  asked = named();
  if (asked) openConversation(asked);
  else find("#new-chat").click();
}

// The tab was rendered, or has gone on.
export function nameInAddress(tab) {
  if (tab.render_id === shown?.render_id) return;
  const [before, id, step] = [shown, tab.temporary ? "" : tab.session_id, asked];
  shown = tab;
  if (step !== undefined && id && id !== step) return; // what is being left, or a step on the way
  asked = undefined;
  if (id === named()) return;
  // The first message only gives an empty conversation its address.
  const begins = before?.session_id === "" && tab.turn_id;
  write(id, before && step === undefined && !begins ? "pushState" : "replaceState");
}

function write(id, method) {
  const address = new URL(location.href);
  if (id) address.searchParams.set("c", id);
  else address.searchParams.delete("c");
  history[method](history.state, "", address);
}

export function start() {
  addEventListener("popstate", walk);
}
