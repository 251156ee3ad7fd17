// Light, dark, or the system's choice. Kept in a cookie, so that the server sends the right one and nothing flashes.

import { writeCookie } from "./cookies.js";

const NEXT = { "": "light", light: "dark", dark: "" };
const NAMES = { "": "as the system", light: "light", dark: "dark" };

export function enableThemeToggle() {
  const root = document.documentElement;
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    const name = () => {
      const chosen = root.dataset.theme ?? "";
      button.setAttribute("aria-label", `Colours: ${NAMES[chosen]}. Change to ${NAMES[NEXT[chosen]]}`);
      button.title = `Colours: ${NAMES[chosen]}`;
    };
    button.addEventListener("click", () => {
      const next = NEXT[root.dataset.theme ?? ""];
      if (next) root.dataset.theme = next;
      else delete root.dataset.theme;
      writeCookie("theme", next);
      name();
      document.dispatchEvent(new Event("waymark:colours"));
    });
    name();
    button.hidden = false;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new Event("waymark:colours"));
  });
}
