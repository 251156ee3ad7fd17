"""Style sheet, icons and script of status pages, with the hashes that let them through the content security policy."""

import base64
import hashlib
from typing import Final

STYLE: Final = (
    ":root{color-scheme:light dark;--ink:#1c2420;--paper:#f7f6f1;--card:#fff;--soft:#566059;--line:#d3d8d1;--go:#0b6b4f;"
    "--on:#fff;--ok:#0a6146;--oks:#e2f3eb;--warn:#7a4a00;--warns:#fdf0d6;--bad:#9c1f1a;--bads:#fde7e4}"
    "@media(prefers-color-scheme:dark){:root{--ink:#eef2ee;--paper:#131815;--card:#1b221e;--soft:#a9b5ad;--line:#3a453e;"
    "--go:#6fd3ae;--on:#0c2019;--ok:#7fdcb8;--oks:#143328;--warn:#f3c677;--warns:#3a2b10;--bad:#ffb3ab;--bads:#43201d}}"
    "*,:before,:after{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif;"
    "overflow-wrap:anywhere}"
    "main,footer{max-inline-size:34rem;margin-inline:auto;padding:1.25rem 1.25rem 0}footer{padding-block:0 1.25rem}"
    "p{margin:0 0 .75rem}"
    "h1{font-size:1.75rem;line-height:1.2;margin:.25rem 0 1rem}h2{font-size:1rem;margin:0 0 .6rem}"
    "header{display:flex;align-items:center;gap:.75rem;font-weight:600;color:var(--soft);margin-block-end:.5rem}"
    "header img{max-block-size:3rem;"
    "max-inline-size:8rem}"
    "section{border-block-start:1px solid var(--line);padding-block:1.1rem .35rem}"
    ".s{display:flex;gap:.75rem;padding:.9rem 1rem;border-radius:.75rem;margin-block-end:1.1rem;"
    "border:1px solid transparent;background:var(--oks);"
    "color:var(--ok)}.s p{margin:0 0 .15rem}.s p bdi{display:inline-block;font-weight:700}"
    ".s p small{color:inherit}.s small bdi{font-weight:400}"
    ".s>svg{inline-size:1.75rem;block-size:1.75rem}.s>div{flex:1}.s p:first-child b{font-size:1.1875rem}"
    "svg{flex:none;inline-size:1.25rem;block-size:1.25rem;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;"
    "stroke-linejoin:round}"
    ".w{background:var(--warns);color:var(--warn)}.l{background:var(--bads);color:var(--bad)}"
    ".n{background:var(--card);color:var(--ink);border-color:var(--line)}.s.n bdi{display:inline}"
    "ol,ul{list-style:none;margin:0 0 .75rem;padding:0}"
    "ol li{position:relative;padding-block-end:.7rem;padding-inline-start:1.75rem}"
    "ol li:before{content:'';position:absolute;inset-inline-start:.2rem;inset-block-start:.4375rem;inline-size:.75rem;"
    "block-size:.75rem;border-radius:50%;border:.375rem solid var(--go)}"
    "ol li:not(:last-child):after{content:'';position:absolute;inset-inline-start:calc(.575rem - 1px);"
    "inset-block:1.1875rem -.4375rem;border-inline-start:2px solid var(--go)}"
    "ol li.c:after,ol [aria-current]:not(:last-child):after{border-color:var(--line)}"
    "[aria-current=step]{font-weight:700}[aria-current=step]:before{outline:2px solid var(--go);outline-offset:2px}"
    ".c,small,dt,.q{color:var(--soft)}ol .c:before{border:2px solid var(--line)}"
    "time,.t{display:block;font-weight:400;font-size:.9375rem;color:var(--soft)}"
    "dl{margin:0 0 .75rem}dt{font-size:.9375rem}dd{margin:0 0 .6rem}dd img{max-inline-size:100%;block-size:auto;"
    "border-radius:.5rem}"
    ".b{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(9rem,100%),1fr));gap:.6rem}"
    ".b a,.s a{display:flex;align-items:center;justify-content:center;gap:.5rem;min-block-size:48px;line-height:1.25;"
    "padding:.4rem .6rem;border:2px solid var(--go);border-radius:.6rem;color:var(--go);font-weight:600;text-decoration:none}"
    ".s a,.b .f{background:var(--go);color:var(--on)}.s a{margin-block-start:.7rem}"
    "a{color:var(--go)}nav a{padding-block:.7rem}"
    "nav{display:flex;flex-wrap:wrap;gap:0 1.25rem;border-block-start:1px solid var(--line);margin-block-end:.4rem}"
    "nav [aria-current]{color:var(--ink);text-decoration:none}"
    ":focus-visible{outline:3px solid var(--go);outline-offset:2px}"
    ".v{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
    "@media(min-width:34rem){.b{grid-template-columns:1fr 1fr}}"
    "@media print{.b,.s a,nav{display:none}body{background:none}section{break-inside:avoid}}"
)


def _icon(path: str) -> str:
    """On a square of 24, drawn with a round pen of 2."""
    return f'<svg viewBox="0 0 24 24" aria-hidden=true><path d="{path}"/></svg>'


_ROUND: Final = "M12 3a9 9 0 1 1 0 18a9 9 0 0 1 0-18"
CHECK: Final = _icon(f"{_ROUND}M8 12.5l3 3l5-6")
CLOCK: Final = _icon(f"{_ROUND}M12 7v5.5l3.5 2")
ALERT: Final = _icon("M12 3.5L22 20.5H2zM12 10v4.5M12 17.3v.2")
CALENDAR: Final = _icon("M4 6h16v14H4zM4 10h16M8 3v4M16 3v4")
FOLLOW: Final = _icon("M20 12a8 8 0 0 1-14.5 4.6M4 12a8 8 0 0 1 14.5-4.6M18.5 3v4.5H14M5.5 21v-4.5H10")
TELEPHONE: Final = _icon(
    "M5 4h4l1.5 4.5L8 10a12 12 0 0 0 6 6l1.5-2.5L20 15v4a1.5 1.5 0 0 1-1.5 1.5A15 15 0 0 1 3.5 5.5 1.5 1.5 0 0 1 5 4"
)
CHAT: Final = _icon("M4 20l1.3-4.2A8 8 0 1 1 8.4 19z")
LETTER: Final = _icon("M3 6h18v12H3zM3 7l9 6.5L21 7")
PIN: Final = _icon("M12 21c-4-4.5-7-8-7-11a7 7 0 0 1 14 0c0 3-3 6.5-7 11M12 7.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 0 1 0-5")

# Asks every 15 s while it is looked at; after 20 answers without news less and less often, up to 2 minutes. A page that is
# gone is shown as gone.
SCRIPT: Final = (
    "(()=>{let d=document,m=d.querySelector('main'),v=d.getElementById('live'),e=m.dataset.e,w=15,c=0,t,"
    "s=()=>{clearTimeout(t);d.hidden||(t=setTimeout(p,w*1e3))},"
    "p=async()=>{try{let r=await fetch(location.href,{headers:{'If-None-Match':e,'Waymark-Poll':'1'},cache:'no-store'}),"
    "n;if(r.status==404||r.status==410)return location.reload();"
    "n=r.status!=304&&new DOMParser().parseFromString(await r.text(),'text/html').querySelector('main[data-e]');"
    "if(n){let a=d.activeElement,h=m.contains(a)&&a.getAttribute('href');m.replaceWith(n);m=n;e=n.dataset.e;w=15;c=0;"
    "h&&n.querySelector('[href=\"'+CSS.escape(h)+'\"]')?.focus();"
    "v.textContent=n.querySelector('h1').innerText+'. '+(n.querySelector('b')?.innerText||'')}"
    "else if(++c>20||r.status>399)w=Math.min(w*1.5,120)}catch{w=Math.min(w*2,120)}s()};"
    "d.addEventListener('visibilitychange',()=>{w=15;c=0;d.hidden?clearTimeout(t):p()});s()})()\n"
)

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

SCRIPT_PATH: Final = f"/-/status-{hashlib.sha256(SCRIPT.encode()).hexdigest()[:12]}.js"
SCRIPT_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STATUS_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language, Accept-Encoding",
}
