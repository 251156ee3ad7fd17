// A form shows what would become of it while one types: the server is asked, as its button asks it without scripts.

const PAUSE_MS = 300;

export function followDrafts() {
  for (const form of document.querySelectorAll("[data-draft]")) {
    for (const button of form.querySelectorAll("[data-unscripted]")) button.hidden = true;
    let timer;
    let asked = 0;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const number = ++asked;
        const fresh = await looked(form);
        if (fresh && number === asked) showParts(fresh);
      }, PAUSE_MS);
    });
  }
  for (const button of document.querySelectorAll("[data-insert]")) {
    button.previousElementSibling.hidden = true;
    button.hidden = false;
    button.addEventListener("click", () => insert(button.dataset.insert));
  }
}

async function looked(form) {
  const body = new URLSearchParams(new FormData(form));
  body.set("do", "look");
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    return answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null; // not reachable just now: what was shown last stays
  }
}

function showParts(fresh) {
  for (const part of document.querySelectorAll("[data-becomes]")) {
    const found = fresh.getElementById(part.id);
    if (found && found.innerHTML !== part.innerHTML) part.replaceChildren(...found.childNodes);
  }
}

function insert(text) {
  const field = document.querySelector("[data-draft] textarea");
  field.focus();
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
