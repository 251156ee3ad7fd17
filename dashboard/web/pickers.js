// Filters apply themselves when a choice is made; the browser's time zone becomes the default through a cookie.

import { hasCookie, writeCookie } from "./cookies.js";

export function enablePickers() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !hasCookie("tz")) writeCookie("tz", zone);

  for (const form of document.querySelectorAll("[data-filters]")) {
    form.addEventListener("change", (event) => {
      const field = event.target;
      if (field.name === "range" && field.value === "custom") form.elements.from.focus();
      else if (field.tagName === "SELECT") form.requestSubmit();
      else if (field.matches("[data-listed]") && isListed(field)) form.requestSubmit();
      else if (field.matches("[data-zone]") && isListed(field)) {
        writeCookie("tz", field.value);
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", () => {
      // Dates of a range that is not a custom one, and a zone that is the default, only make the address long.
      const custom = form.elements.range.value === "custom";
      form.elements.from.disabled = form.elements.to.disabled = !custom;
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    });
  }
  // Back from the page's cache, fields that were left out of the address would stay disabled.
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("[data-filters] :disabled")) field.disabled = false;
  });
}

const isListed = (field) => [...field.list.options].some((option) => option.value === field.value);
