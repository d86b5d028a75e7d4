// In the drawer: the conversation as a document or a file, its text for another program, or everything.
import { download } from "./downloads.js";
import { find } from "./dom.js";
import { words } from "./language.js";
import { offerMenu } from "./menu.js";
import { sayInDrawer } from "./settings.js";

let deliver = download;

async function copy(file) {
  try {
    await navigator.clipboard.writeText(file.text);
    sayInDrawer("copied");
  } catch {
    download(file); // the browser let it take too long
  }
}

// The server is asked for it, and answers with what `exported` is given.
function ask(kind, how) {
  deliver = how;
  find(`#as-${kind}`).click();
}

export const exported = (file) => deliver(file);

function offer({ currentTarget }) {
  offerMenu(currentTarget, {
    [words("export_markdown")]: () => ask("markdown", download),
    [words("export_json")]: () => ask("json", download),
    [words("export_all")]: () => ask("all", download),
    ...(navigator.clipboard && { [words("export_copy")]: () => ask("markdown", copy) }), // not without TLS
  });
}

export function start() {
  const button = find("#export");
  button.ariaHasPopup = "menu";
  button.addEventListener("click", offer);
}
