() => {
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

  // A message is copied as it was said, without what keeps its tabs from becoming spaces on the page.
  const write = navigator.clipboard?.writeText.bind(navigator.clipboard);
  const asSaid = (text) => (text.includes("\ufeff") ? text.replace(/^ (?=```|~~~)|\ufeff/gm, "") : text);
  if (write) navigator.clipboard.writeText = (text) => write(asSaid(text));

  // An open sidebar covers a phone's whole screen, so it starts closed and opens where there is room.
  const wide = () => window.innerWidth > 768;
  const sidebar = document.querySelector("#sidebar");
  const toggle = () => sidebar.querySelector(".toggle-button").click();
  if (sidebar && wide() && !sidebar.classList.contains("open")) toggle();
  // On a phone it closes again after a choice.
  sidebar?.addEventListener("click", (event) => {
    if (!wide() && event.target.closest("[data-action=open], #new-chat")) toggle();
  });
};
