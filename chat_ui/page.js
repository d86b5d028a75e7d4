() => {
  const find = (selector) => document.querySelector(selector);
  const box = () => find("#box textarea");
  const toggleSidebar = () => find("#sidebar .toggle-button")?.click();

  // The address names the open conversation, so that each tab, a reload and a bookmark find their own.
  const name = document.title;
  window.whereAmI = (identity) => ({
    ...identity,
    session_id: new URLSearchParams(location.search).get("c") ?? identity.session_id,
    minutes_west: new Date().getTimezoneOffset(),
  });
  window.showPlace = (place) => {
    const address = new URL(location.href);
    if (place.session_id) address.searchParams.set("c", place.session_id);
    else address.searchParams.delete("c");
    history.replaceState(history.state, "", address);
    document.title = place.title ? `${place.title} · ${name}` : name;
  };

  // A message is copied as it was said: without the quiet line under it, and without what keeps its tabs
  // from becoming spaces on the page.
  const write = navigator.clipboard?.writeText.bind(navigator.clipboard);
  const withTabs = (text) => (text.includes("\ufeff") ? text.replace(/^ (?=```|~~~)|\ufeff/gm, "") : text);
  const asSaid = (text) => withTabs(text.replace(/\n*<span class="note">[^<]*<\/span>$/, ""));
  if (write) navigator.clipboard.writeText = (text) => write(asSaid(text));

  // An open sidebar covers a phone's whole screen, so it starts closed and opens where there is room.
  const wide = () => window.innerWidth > 768;
  const sidebar = find("#sidebar");
  if (sidebar && wide() && !sidebar.classList.contains("open")) toggleSidebar();
  // On a phone it closes again after a choice.
  sidebar?.addEventListener("click", (event) => {
    if (!wide() && event.target.closest("[data-action=open], #new-chat")) toggleSidebar();
  });

  // For screen readers: Gradio calls the example questions a list without giving it items, and puts a
  // nameless button into the button that unfolds the thoughts.
  const tidy = () => {
    find("#chatbot .examples[role=list]")?.setAttribute("role", "group");
    for (const arrow of document.querySelectorAll("#chatbot .thought-group .arrow:not([inert])")) arrow.inert = true;
  };
  new MutationObserver(tidy).observe(find("#chatbot"), { childList: true, subtree: true });
  tidy();

  // What was typed survives a reload.
  const draft = sessionStorage.getItem("draft");
  if (draft && box()) {
    box().value = draft;
    box().dispatchEvent(new Event("input", { bubbles: true }));
  }
  addEventListener("pagehide", () => sessionStorage.setItem("draft", box()?.value ?? ""));

  // The Enter that ends a composition (Chinese, Japanese …) chooses a word and sends nothing. Safari
  // reports it after the composition, with the key code 229.
  const chooses = (event) => event.key === "Enter" && (event.isComposing || event.keyCode === 229);
  for (const type of ["keydown", "keypress"])
    addEventListener(type, (event) => chooses(event) && event.stopImmediatePropagation(), true);

  const shortcuts = {
    "Escape": () => document.body.contains(find("[data-running=true]")) && find("#box .stop-button").click(),
    "Shift+Escape": () => box().focus(),
    "Ctrl+Shift+O": () => find("#new-chat").click(),
    "Ctrl+Shift+S": toggleSidebar,
  };
  addEventListener("keydown", (event) => {
    const held = [(event.ctrlKey || event.metaKey) && "Ctrl", event.shiftKey && "Shift"].filter(Boolean);
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    const action = !event.isComposing && shortcuts[[...held, key].join("+")];
    if (!action) return;
    event.preventDefault();
    action();
  });
};
