// The account menu closes as menus do; copy buttons say that they have copied.

const SAID_MS = 2000;

export function enableMenus() {
  for (const menu of document.querySelectorAll("[data-menu]")) {
    document.addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
}

export function enableCopying() {
  if (!navigator.clipboard) return; // only a secure origin (or localhost) may write to it
  for (const button of document.querySelectorAll("[data-copy]")) {
    const label = button.getAttribute("aria-label");
    const use = button.querySelector("use");
    let timer;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.setAttribute("aria-label", "Copied");
      use.setAttribute("href", "#i-done");
      clearTimeout(timer);
      timer = setTimeout(() => {
        button.setAttribute("aria-label", label);
        use.setAttribute("href", "#i-copy");
      }, SAID_MS);
    });
    button.hidden = false;
  }
}
