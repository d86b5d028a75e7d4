// Roles out of a file: what is found in it is shown before any of it is stored.
import { openDialog } from "./dialog.js";
import { element } from "./dom.js";
import { words } from "./language.js";
import { tellPicker } from "./roles.js";

function face(icon) {
  if (icon.startsWith("data:")) return element("img", { className: "face", src: icon, alt: "" });
  return element("i", { className: "face", textContent: icon });
}

function entry({ icon, name, about }) {
  const text = element("span", {}, element("b", { textContent: name }), element("small", { textContent: about }));
  return element("label", {}, element("input", { type: "checkbox", checked: true }), face(icon), text);
}

const refusal = ({ name, reason }) => element("p", { className: "problem", textContent: `${name}: ${reason}` });

// What the server has found in the file; those that stay ticked are stored.
export async function showFound({ roles, rejected }) {
  const entries = roles.map(entry);
  const cancel = element("button", { type: "button", textContent: words("cancel") });
  cancel.addEventListener("click", () => cancel.closest("dialog").close());
  const take = element("button", { className: "agree", value: "yes", textContent: words("take_roles") });
  take.disabled = !roles.length;
  const answer = await openDialog(
    "question found-roles",
    element(
      "form",
      { method: "dialog" },
      element("b", { id: "dialog-name", textContent: words("found_roles") }),
      element("div", { className: "found" }, ...entries, ...rejected.map(refusal)),
      element("div", { className: "buttons" }, cancel, take),
    ),
  );
  const chosen = [...entries.keys()].filter((at) => entries[at].querySelector("input").checked);
  if (answer && chosen.length) tellPicker("apply", { chosen });
}
