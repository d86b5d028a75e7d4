// A menu at a button. The arrow keys walk through it; Escape and a click beside it close it, and the focus goes back
// to the button: it is a popover of the browser's own.
import { element, find } from "./dom.js";

const GAP_PIXELS = 4;

// Called on a click on `opener`, of which the browser makes the opening and the closing. `actions` has what each
// item does by its words.
export function offerMenu(opener, actions) {
  if (opener.popoverTargetElement) return; // it is open, and is closed by this click
  const items = Object.entries(actions).map(([words, action]) => {
    const item = element("button", { type: "button", role: "menuitem", tabIndex: -1, textContent: words });
    item.addEventListener("click", () => {
      menu.hidePopover();
      action();
    });
    return item;
  });
  items[0].autofocus = true;
  const menu = element("div", { className: "menu", popover: "auto", role: "menu", ariaLabel: opener.ariaLabel }, ...items);
  menu.addEventListener("keydown", (event) => walk(event, items));
  menu.addEventListener("toggle", ({ newState }) => (newState === "open" ? place(menu, opener) : remove(menu, opener)));
  find(".gradio-container").append(menu);
  opener.popoverTargetElement = menu;
}

function place(menu, opener) {
  const button = opener.getBoundingClientRect();
  const below = button.bottom + GAP_PIXELS;
  const fits = below + menu.offsetHeight < innerHeight;
  menu.style.top = `${fits ? below : Math.max(0, button.top - GAP_PIXELS - menu.offsetHeight)}px`;
  menu.style.left = `${Math.max(GAP_PIXELS, button.right - menu.offsetWidth)}px`;
}

function remove(menu, opener) {
  opener.popoverTargetElement = null;
  menu.remove();
}

function walk(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length).focus();
}
