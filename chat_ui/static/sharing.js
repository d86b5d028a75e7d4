// Links to conversations (chat_ui/page/share_panel.py): one is made from a conversation's menu, all are listed in the
// drawer, and whoever has one may go on in a copy.
import { askChoice, isConfirmed, openDialog } from "./dialog.js";
import { element, find } from "./dom.js";
import { words } from "./language.js";

const DAYS = ["30", "1", "7", "365"]; // the first is chosen

function send(event, data = {}) {
  find("#shares i").dispatchEvent(new CustomEvent("choose", { detail: { event, data }, bubbles: true }));
}

// The server is asked only where somebody looks.
const showLinks = () => document.body.classList.contains("drawer-open") && send("expand");

export async function shareConversation({ session }) {
  const choices = Object.fromEntries(DAYS.map((days) => [days, words(`days_${days}`)]));
  const days = await askChoice("share_ask", "make_link", choices);
  if (days) send("submit", { session_id: session, days: Number(days) });
}

function addressOf(token) {
  const address = new URL(location.pathname, location.origin);
  address.searchParams.set("s", token);
  return address.href;
}

async function copy(token, button, field) {
  field?.select(); // where there is no clipboard, on a page that came without TLS, it is copied by hand
  await navigator.clipboard?.writeText(addressOf(token));
  if (navigator.clipboard) button.title = button.textContent = words("link_copied");
}

// The server has made a link.
export function showLink({ token, day }) {
  const named = element("label", { id: "dialog-name", htmlFor: "dialog-field", textContent: words("link_made", { day }) });
  const field = element("input", { id: "dialog-field", readOnly: true, value: addressOf(token) });
  const end = element("button", { type: "button", textContent: words("unshare") });
  const close = element("button", { value: "close", textContent: words("close") });
  const copying = element("button", { type: "button", className: "agree", textContent: words("copy_link") });
  copying.addEventListener("click", () => copy(token, copying, field));
  end.addEventListener("click", () => {
    end.closest("dialog").close();
    send("delete", { token });
  });
  const buttons = element("div", { className: "buttons" }, end, close, copying);
  openDialog("question", element("form", { method: "dialog" }, named, field, buttons));
  field.select();
}

// The page was opened to go on with what was shared; only once, so that a reload makes no other copy.
export async function offerCopy() {
  const address = new URL(location.href);
  const token = address.searchParams.get("copy");
  if (!token) return;
  address.searchParams.delete("copy");
  history.replaceState(history.state, "", address);
  if (await isConfirmed("copy_ask", "make_copy")) send("copy", { token });
}

function clicked({ target }) {
  const button = target.closest("[data-action]");
  const token = button?.closest("[data-token]").dataset.token;
  if (button?.dataset.action === "copy") copy(token, button);
  if (button?.dataset.action === "end") send("delete", { token });
}

export function start() {
  find("#shares").addEventListener("click", clicked);
  new MutationObserver(showLinks).observe(document.body, { attributeFilter: ["class"] });
}
