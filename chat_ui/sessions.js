// A click on an entry becomes the Gradio event of its action, after asking where there is something to ask.
const events = { open: "select", rename: "edit", delete: "delete", pin: "like", unpin: "like" };

element.addEventListener("click", (click) => {
  const button = click.target.closest("[data-action]");
  if (!button) return;
  const { session, title } = button.closest("[data-session]").dataset;
  const { action, ask } = button.dataset;
  const data = { session_id: session, pinned: action === "pin" };
  if (action === "delete" && !confirm(ask)) return;
  if (action === "rename" && !(data.title = prompt(ask, title)?.trim())) return;
  trigger(events[action], data);
});
