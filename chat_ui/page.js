() => {
  window.chat = {};
  const find = (selector) => document.querySelector(selector);
  const box = () => find("#box textarea");
  const toggleSidebar = () => find("#sidebar .toggle-button")?.click();

  // The address names the open conversation, so that each tab, a reload and a bookmark find their own.
  const name = document.title;
  let [opened, edited] = ["", ""];
  window.chat.identify = (identity) => ({
    ...identity,
    session_id: new URLSearchParams(location.search).get("c") ?? identity.session_id,
    minutes_west: new Date().getTimezoneOffset(),
    language: localStorage.getItem("language") ?? "",
  });
  window.chat.setLanguage = (language) => {
    localStorage.setItem("language", language);
    location.reload();
  };
  window.chat.showTab = (place) => {
    const address = new URL(location.href);
    if (place.session_id && !place.temporary) address.searchParams.set("c", place.session_id);
    else address.searchParams.delete("c");
    history.replaceState(history.state, "", address);
    document.title = place.title ? `${place.title} · ${name}` : name;
    // Who sends a message wants to see what becomes of it, wherever they were reading.
    if (place.turn_id || place.session_id !== opened) followed = true;
    opened = place.session_id;
    tidy();
  };

  // A message is copied as it was said: without the quiet lines above and under it, without what shows a
  // person's text to the character, and without what keeps a reply's tabs from becoming spaces on the page.
  // A piece of code keeps the indentation of its first line, which Gradio takes away.
  const write = navigator.clipboard?.writeText.bind(navigator.clipboard);
  const withTabs = (text) => (text.includes("\ufeff") ? text.replace(/^ (?=```|~~~)|\ufeff/gm, "") : text);
  const plain = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;
  const asTyped = (text) => text.replace(/<pre class="user-text">.*?<\/pre>|<img class="picture"[^>]*>/g, plain);
  const asSaid = (text) =>
    withTabs(asTyped(text.replace(/^<span class="note">[^<]*<\/span>\n*|\n*<span class="note">[^<]*<\/span>$/g, "")));
  let code;
  addEventListener("click", ({ target }) => (code = target.closest(".copy_code_button")?.nextElementSibling), true);
  if (write) navigator.clipboard.writeText = (text) => write(code ? code.textContent.replace(/\n$/, "") : asSaid(text));

  // An open sidebar covers a phone's whole screen, so it starts closed and opens where there is room.
  const wide = () => window.innerWidth > 768;
  const sidebar = find("#sidebar");
  if (sidebar && wide() && !sidebar.classList.contains("open")) toggleSidebar();
  // On a phone it closes again after a choice.
  sidebar?.addEventListener("click", (event) => {
    if (!wide() && event.target.closest("[data-action=open], #new-chat, #temporary")) toggleSidebar();
  });

  const type = (field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const all = (selector) => document.querySelectorAll(selector);

  // For screen readers: Gradio calls the example questions a list without giving it items, and the pictures
  // in the box items without a list, puts buttons into the buttons that unfold thoughts and notices, gives the
  // field of an edit no name, lets only a mouse scroll what is too wide, and reads out the HTML of what a person
  // wrote; and a reply is read out when it is whole, not word by word.
  const describe = () => {
    find("#chatbot .examples[role=list]")?.setAttribute("role", "group");
    shown()?.setAttribute("aria-busy", Boolean(find("[data-running=true]")));
    for (const picture of all("#box [role=listitem]")) picture.setAttribute("role", "group");
    for (const arrow of all("#chatbot .thought-group .arrow:not([inert])")) arrow.inert = true;
    for (const part of all("#chatbot .message :is(pre, table):not([tabindex])"))
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    for (const head of all(".toast-header[role]")) head.removeAttribute("role");
    for (const bubble of all('#chatbot [data-testid=user][aria-label*="<"]')) bubble.removeAttribute("aria-label");
    for (const field of all("#chatbot textarea")) field.ariaLabel = box().placeholder;
  };

  // A message is edited as it was written. Gradio knows an edit by its place in the list alone: one that is left
  // open would go along into the next conversation, so it is noted where it was begun.
  const begun = ({ target }) => {
    if (target.closest("#chatbot .message-buttons-right button:last-of-type")) edited = opened;
  };
  addEventListener("click", begun, true);
  const mendEdit = (field) => {
    const cancel = field.closest(".message-row").nextElementSibling.querySelector("button:last-of-type");
    if (edited !== opened) cancel.click();
    else if (/^<(pre class="user-text"|img class="picture")/.test(field.value)) type(field, asTyped(field.value));
  };

  const tidy = () => {
    describe();
    all("#chatbot textarea").forEach(mendEdit);
    settle();
  };

  // What was typed survives a reload.
  const draft = sessionStorage.getItem("draft");
  if (draft && box()) type(box(), draft);
  addEventListener("pagehide", () => sessionStorage.setItem("draft", box()?.value ?? ""));

  // A lost connection is told in the reader's language; Gradio notices it too, in English, and loads the page
  // again when the server answers.
  const lost = (is) => document.body.classList.toggle("lost", is);
  const ask = window.fetch;
  window.fetch = async (...request) => {
    try {
      const answer = await ask(...request);
      lost(false);
      return answer;
    } catch (error) {
      if (error.name !== "AbortError") lost(true);
      throw error;
    }
  };
  addEventListener("offline", () => lost(true));
  addEventListener("online", () => find("#refresh").click());

  // What happened in another tab is asked for when this one is looked at.
  const look = () => document.visibilityState === "visible" && find("#refresh")?.click();
  document.addEventListener("visibilitychange", look);
  addEventListener("focus", look);

  window.chat.download = (file) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file.text]));
    link.download = file.name.replace(/[\\/:*?"<>|]/g, "_");
    link.click();
    URL.revokeObjectURL(link.href);
  };

  // Seconds to wait, wherever they stand.
  setInterval(() => {
    for (const wait of all(".countdown"))
      wait.textContent = Math.max(0, Math.ceil((Date.parse(wait.dateTime) - Date.now()) / 1000));
  }, 1000);

  // The conversation is followed to its end until the reader scrolls up, and again once they are back there.
  // Gradio's own way pulls a reader down who scrolls up while a reply is written.
  const shown = () => find("#chatbot .bubble-wrap");
  const below = () => shown().scrollHeight - shown().scrollTop;
  let [followed, top, kept] = [true, 0, 0];
  const settle = () => {
    const list = shown();
    if (!list) return;
    if (kept) list.scrollTop = list.scrollHeight - kept;
    else if (followed) list.scrollTop = list.scrollHeight;
    top = list.scrollTop; // the reader may scroll up before this is heard of
  };
  find("#chatbot").addEventListener("load", settle, true); // a picture has got its height
  find("#chatbot").addEventListener(
    "scroll",
    ({ target }) => {
      if (target !== shown()) return;
      const atEnd = below() - target.clientHeight < 50;
      followed = atEnd || (followed && target.scrollTop >= top);
      top = target.scrollTop;
    },
    true,
  );
  // What is read stays where it is when earlier messages come in above it.
  window.chat.keepScrollPosition = () => {
    kept = below();
    setTimeout(() => (kept = 0), 1000);
  };

  // Once before the next picture is drawn, for every look at the height has the page laid out again.
  let due = 0;
  const tidied = new MutationObserver(() => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      tidy();
    });
  });
  for (const place of ["#chatbot", "#box", "#activity", ".toast-wrap"]) tidied.observe(find(place), { childList: true, subtree: true });
  tidy();

  // Who chooses the role of their own is shown where its prompt is written.
  window.chat.roleChosen = (role) => {
    if (role !== "custom") return;
    if (!find("#drawer").classList.contains("open")) find("#drawer .toggle-button").click();
    find("#prompt textarea").focus();
  };

  // An edit replaces what follows. Asked before Gradio hears of it, for it shows an edit at once.
  const replacesMore = (panel) =>
    [...all("#chatbot .user-row")].some((row) => panel.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING);
  const unwanted = (event) => {
    const panel = event.target.closest("#chatbot .message-buttons-right");
    const submits = panel?.previousElementSibling.querySelector("textarea") && panel.querySelector("button").contains(event.target);
    return submits && replacesMore(panel) && !confirm(find("[data-ask-edit]").dataset.askEdit);
  };
  addEventListener("click", (event) => unwanted(event) && event.stopImmediatePropagation(), true);

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
