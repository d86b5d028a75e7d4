// The sidebar on the left and the drawer with the settings on the right. Where there is room they stand beside the
// conversation; in a narrower window they lie over it, one at a time. A closed one is inert: neither Tab nor a
// screen reader gets into it. Whether the sidebar was closed is remembered where it has room.
import { find, findAll, isCovered } from "./dom.js";

const MEMORY = "chat.sidebar";
const CHOICES = "[data-action=open], #new-chat, #temporary";
const OPENERS = { sidebar: "#open-sidebar", drawer: "#open-drawer" };
const CLOSERS = { sidebar: "#close-sidebar", drawer: "#close-drawer" };

// As the style sheets have it: the sidebar lies over the conversation, and the drawer does.
const phone = matchMedia("(max-width: 768px)");
const narrow = matchMedia("(max-width: 1100px)");

const wanted = { sidebar: false, drawer: false };

const isOpen = (panel) => wanted[panel] && !(panel === "sidebar" && narrow.matches && wanted.drawer);
const isOver = (panel) => isOpen(panel) && (panel === "sidebar" ? phone : narrow).matches;

function show() {
  for (const panel of ["sidebar", "drawer"]) {
    document.body.classList.toggle(`${panel}-open`, isOpen(panel));
    find(`#${panel}`).inert = !isOpen(panel);
  }
  const covered = isOver("sidebar") || isOver("drawer");
  document.body.classList.toggle("covered", covered);
  for (const part of findAll(".column:has(> #sidebar) > :not(#sidebar, #drawer)")) part.inert = covered;
}

function set(panel, open) {
  wanted[panel] = open;
  if (panel === "sidebar" && open && narrow.matches) wanted.drawer = false;
  if (panel === "sidebar" && !phone.matches) localStorage.setItem(MEMORY, open ? "open" : "closed");
  show();
}

// By hand: who opens a panel goes on in it, and who closes it where it was opened.
function toggle(panel) {
  const open = !isOpen(panel);
  set(panel, open);
  find((open ? CLOSERS : OPENERS)[panel]).focus();
}

export const toggleSidebar = () => toggle("sidebar");
export const openSidebar = () => set("sidebar", true);
export const openDrawer = () => set("drawer", true);

function clicked({ target, isTrusted }) {
  for (const panel of ["sidebar", "drawer"]) {
    if (target.closest(`${OPENERS[panel]}, ${CLOSERS[panel]}`)) return toggle(panel);
    const beside = isTrusted && !target.closest(`#${panel}, dialog, [popover]`);
    if (isOver(panel) && (beside || target.closest(CHOICES))) return set(panel, false);
  }
}

function pressed(event) {
  const panel = ["sidebar", "drawer"].find(isOver);
  if (event.key !== "Escape" || !panel || isCovered()) return;
  event.stopImmediatePropagation(); // it does not stop the reply as well
  toggle(panel);
}

export function start() {
  wanted.sidebar = !phone.matches && localStorage.getItem(MEMORY) !== "closed";
  for (const button of findAll(".icon")) button.title = button.textContent.trim();
  document.addEventListener("click", clicked);
  addEventListener("keydown", pressed, true);
  phone.addEventListener("change", () => set("sidebar", !phone.matches && localStorage.getItem(MEMORY) !== "closed"));
  narrow.addEventListener("change", show);
  show();
}
