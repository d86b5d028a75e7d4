// The sidebar is open where there is room. An open one covers a phone's whole screen, and Gradio 6.31 opens it
// or not without looking at the window: so it starts closed, and on a phone it closes again after a choice. Not
// needed any more when gr.Sidebar does so by itself.
import { find } from "./dom.js";

const PHONE_PIXELS = 768;
const CHOICES = "[data-action=open], #new-chat, #temporary";

const hasRoom = () => window.innerWidth > PHONE_PIXELS;

export const toggleSidebar = () => find("#sidebar .toggle-button")?.click();

function closeAfterChoice({ target }) {
  if (!hasRoom() && target.closest(CHOICES)) toggleSidebar();
}

export function start() {
  const sidebar = find("#sidebar");
  if (sidebar && hasRoom() && !sidebar.classList.contains("open")) toggleSidebar();
  sidebar?.addEventListener("click", closeAfterChoice);
}
