// For values that need no escaping: zone names and words.

const YEAR_S = 31_536_000;

export function hasCookie(name) {
  return document.cookie.split("; ").some((pair) => pair.startsWith(`${name}=`));
}

/** An empty value removes the cookie. */
export function writeCookie(name, value) {
  const age = value ? YEAR_S : 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}
