() => {
  // An open sidebar covers a phone's whole screen, so it starts closed and opens where there is room.
  const wide = () => window.innerWidth > 768;
  const sidebar = document.querySelector("#sidebar");
  const toggle = () => sidebar.querySelector(".toggle-button").click();
  if (sidebar && wide() && !sidebar.classList.contains("open")) toggle();
  // On a phone it closes again after a choice.
  sidebar?.addEventListener("click", (event) => {
    if (!wide() && event.target.closest("[data-session], #new-chat")) toggle();
  });
};
