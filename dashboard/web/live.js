// The live list: newest scan first. The lines are the ones that scan_rows.py makes: change both together.

const MAX_ROWS = 20;
const SAY_EVERY_MS = 10_000;
const AGE_EVERY_MS = 10_000;
const countryNames = new Intl.DisplayNames("en", { type: "region", fallback: "code" });

export function followScans() {
  for (const panel of document.querySelectorAll("[data-live]")) follow(panel);
}

function follow(panel) {
  const part = (name) => panel.querySelector(`[data-live-${name}]`);
  const [rows, state, pause, template, empty, said] = ["rows", "state", "pause", "template", "empty", "said"].map(part);
  const waiting = [];
  let paused = false;
  let connected = false;

  const showState = () => {
    state.dataset.state = paused ? "off" : connected ? "on" : "lost";
    const behind = waiting.length ? `, ${waiting.length} waiting` : "";
    state.textContent = paused ? `Paused${behind}` : connected ? "Connected" : "Connection lost, trying again";
  };

  const add = (scan) => {
    if (rows.querySelector(`[data-id="${CSS.escape(scan.id)}"]`)) return;
    rows.prepend(rowFor(scan, template));
    while (rows.children.length > MAX_ROWS) rows.lastElementChild.remove();
    empty.hidden = true;
  };

  const say = throttled((count, scan) => {
    const where = [scan.city, scan.country].filter(Boolean).join(", ") || "an unknown place";
    said.textContent = `${count === 1 ? "A new scan" : `${count} new scans`}, latest: ${scan.code} from ${where}`;
  });

  const take = (event) => {
    const scan = JSON.parse(event.data);
    if (!paused) {
      add(scan);
      say(scan);
      return;
    }
    waiting.push(scan);
    if (waiting.length > MAX_ROWS) waiting.shift();
    showState();
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.title = paused ? "Go on" : "Pause the live list";
    if (!paused) for (const scan of waiting.splice(0)) add(scan);
    showState();
  });
  pause.hidden = false;

  const connect = () => {
    const source = new EventSource(panel.dataset.live);
    source.addEventListener("message", take);
    source.addEventListener("scan", take);
    source.addEventListener("open", () => {
      connected = true;
      showState();
    });
    source.addEventListener("error", () => {
      connected = false;
      showState();
      // The browser tries again by itself, except after an answer that is not a stream (signed out, restarting).
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, SAY_EVERY_MS);
    });
    // An open stream keeps a page out of the back/forward cache and the server waiting.
    addEventListener("pagehide", () => source.close(), { once: true });
    addEventListener("pageshow", (event) => event.persisted && connect(), { once: true });
  };

  state.textContent = "Connecting";
  connect();
  setInterval(() => refreshAges(rows), AGE_EVERY_MS);
}

function pathOf(scan) {
  if (scan.code.startsWith("job:")) return `/jobs/${encodeURIComponent(scan.code.slice(4))}`;
  const domain = (scan.short_url || "").split("/")[2] || "";
  return `/codes/${encodeURIComponent(scan.code)}${domain && `?domain=${encodeURIComponent(domain)}`}`;
}

function rowFor(scan, template) {
  const row = template.content.firstElementChild.cloneNode(true);
  const [code, when, where, how, badges] = row.children;
  row.dataset.id = scan.id;
  row.classList.add("scan-new");
  code.textContent = scan.code;
  code.href = pathOf(scan);
  if (scan.code_name) code.title = scan.code_name;
  when.dateTime = scan.at;
  when.title = new Date(scan.at).toLocaleString();
  when.textContent = ago(scan.at);
  if (scan.country) where.append(element("span", "chip", scan.country));
  where.append(element("span", "", placeOf(scan)));
  how.textContent = [scan.os, scan.app || scan.browser].filter(Boolean).join(" · ") || scan.device || "Unknown device";
  for (const [kind, text, why] of badgesFor(scan)) {
    const badge = element("span", `badge badge-${kind}`, text);
    badge.title = why;
    badges.append(badge);
  }
  return row;
}

const placeOf = ({ city, region, country }) => city || region || (country && countryName(country)) || "Unknown place";
const countryName = (code) => (/^[A-Z]{2}$/.test(code) ? countryNames.of(code) : code);

function badgesFor(scan) {
  const found = [];
  if (scan.bot) found.push(["bot", "bot", `Taken for a bot: ${scan.bot_reason || "no reason given"}`]);
  else if (scan.counted === false) {
    found.push(["aside", "not counted", `Not counted: ${scan.uncounted_reason || "no reason given"}`]);
  }
  if (scan.datacenter) found.push(["aside", "data centre", "From a network of data centres; a mark, not a verdict"]);
  if (scan.relay) found.push(["aside", "relay", "Through a privacy relay, so the place is the relay's"]);
  if (scan.demo) found.push(["demo", "demo", "Written by the demo data"]);
  return found;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function refreshAges(rows) {
  for (const when of rows.querySelectorAll("time")) {
    const text = ago(when.dateTime);
    if (when.textContent !== text) when.textContent = text;
  }
}

function ago(at) {
  const seconds = Math.floor((Date.now() - Date.parse(at)) / 1000);
  if (seconds < 10) return "just now";
  for (const [size, unit] of [[86_400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${seconds} s ago`;
}

/** Speaks at most once per interval: how many scans came since, and the latest of them. */
function throttled(speak) {
  let count = 0;
  let latest;
  let timer;
  const flush = () => {
    timer = undefined;
    if (!count) return;
    speak(count, latest);
    count = 0;
    timer = setTimeout(flush, SAY_EVERY_MS);
  };
  return (scan) => {
    count += 1;
    latest = scan;
    if (!timer) flush();
  };
}
