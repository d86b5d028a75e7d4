// A click on an entry of the list becomes a Gradio event that names the conversation.
element.addEventListener("click", (event) => {
  const entry = event.target.closest("[data-session]");
  if (entry) trigger("click", { session_id: entry.dataset.session });
});
