// Counts seconds to wait down, wherever they stand.
import { findAll } from "./dom.js";

function count() {
  for (const wait of findAll(".countdown"))
    wait.textContent = Math.max(0, Math.ceil((Date.parse(wait.dateTime) - Date.now()) / 1000));
}

export function start() {
  setInterval(count, 1000);
}
