// A part of the page that is still becoming something is fetched again until it is done; without scripts, reload the page.

const EVERY_MS = 1000;

export function fetchAgain() {
  const part = document.querySelector("[data-again]");
  if (!part) return;
  setTimeout(async () => {
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (answer.ok && fresh) part.replaceWith(fresh);
    } catch {
      // Not reachable just now: the next try may be luckier.
    }
    fetchAgain();
  }, EVERY_MS);
}
