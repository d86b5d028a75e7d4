// A picture of a message opens large, by a click or by the keyboard. One that a model has made can be downloaded and
// changed, by buttons under it. The page has small ones; the server is asked once for each whole one that is wanted.
import { tellServer } from "./box.js";
import { afterChanges } from "./changes.js";
import { openDialog } from "./dialog.js";
import { element, findAll, messageBox } from "./dom.js";
import { bytesOf, download } from "./downloads.js";
import { canChange, setDrawing } from "./drawing.js";
import { words } from "./language.js";
import { offer } from "./message-buttons.js";

const known = new Map(); // what there is of each picture, in base64, by its id; empty where there is none but the small
const waiting = new Map(); // what is to be done with one when it comes

const idOf = (picture) => picture.id.split("picture-").at(-1);
const urlOf = (data, picture) => (data ? `data:image/jpeg;base64,${data}` : picture.src);

function withWhole(picture, act) {
  const id = idOf(picture);
  if (known.has(id)) return act(known.get(id));
  waiting.set(id, [...(waiting.get(id) ?? []), act]);
  tellServer("select", { image_id: id });
}

// The server's answer.
export function showPicture({ id, base64 }) {
  known.set(id, base64);
  const acts = waiting.get(id) ?? [];
  waiting.delete(id);
  for (const act of acts) act(base64);
}

function enlarge(picture) {
  const { src, alt } = picture;
  const close = element("button", { className: "close", ariaLabel: words("close"), title: words("close"), textContent: "✕" });
  const name = element("h2", { id: "dialog-name", textContent: alt });
  const image = element("img", { src, alt });
  openDialog("enlarged", element("form", { method: "dialog" }, name, close), image);
  withWhole(picture, (data) => (image.src = urlOf(data, picture)));
}

const nameOf = (picture) => picture.alt.slice(0, 40) || words("picture");

function save(picture) {
  withWhole(picture, (data) => {
    const [head, base64] = urlOf(data, picture).split(",");
    download({ name: `${nameOf(picture)}.${head.includes("webp") ? "webp" : "jpg"}`, base64 });
  });
}

// It goes into the box as a file of the reader's would, for what is to be different about it.
function change(picture) {
  withWhole(picture, (data) => {
    const [head, base64] = urlOf(data, picture).split(",");
    const type = head.slice("data:".length).split(";")[0];
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytesOf(base64)], `picture.${type.split("/")[1]}`, { type }));
    messageBox().dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    setDrawing(true);
  });
}

function becomeButton(picture) {
  Object.assign(picture, { tabIndex: 0, role: "button", title: words("enlarge") });
  picture.addEventListener("click", () => enlarge(picture));
  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge(picture);
  });
}

const drawnIn = (row) => row.querySelector(".drawn");

export function start() {
  afterChanges(() => findAll("#chatbot .picture:not([tabindex])").forEach(becomeButton));
  offer("save_picture", (row) => save(drawnIn(row)), drawnIn);
  offer("change_picture", (row) => change(drawnIn(row)), (row) => drawnIn(row) && canChange());
}
