// A click on a country opens it in the list beside the map, which is also the way there without a mouse.

export function enableMap() {
  for (const map of document.querySelectorAll("[data-map]")) {
    const list = map.parentElement;
    map.addEventListener("click", (event) => {
      const country = event.target.closest("[data-country]")?.dataset.country;
      const found = country && list.querySelector(`li[data-country="${country}"]`);
      if (!found) return;
      for (const other of list.querySelectorAll(".place-found")) other.classList.remove("place-found");
      found.classList.add("place-found");
      for (let fold = found.parentElement.closest("details"); fold; fold = fold.parentElement.closest("details")) {
        fold.open = true;
      }
      const own = found.querySelector("details");
      if (own) own.open = true;
      found.scrollIntoView({ block: "nearest" });
    });
  }
}
