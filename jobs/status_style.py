"""The style sheet and the script of status pages, with the hashes that let them through the content security policy."""

import base64
import hashlib
from typing import Final

STYLE: Final = (
    ":root{color-scheme:light dark;--ink:#1c2420;--paper:#f7f6f1;--card:#fff;--soft:#566059;--line:#d3d8d1;--go:#0b6b4f;"
    "--on:#fff;--ok:#0a6146;--oks:#e2f3eb;--warn:#7a4a00;--warns:#fdf0d6;--bad:#9c1f1a;--bads:#fde7e4}"
    "@media(prefers-color-scheme:dark){:root{--ink:#eef2ee;--paper:#131815;--card:#1b221e;--soft:#a9b5ad;--line:#3a453e;"
    "--go:#6fd3ae;--on:#0c2019;--ok:#7fdcb8;--oks:#143328;--warn:#f3c677;--warns:#3a2b10;--bad:#ffb3ab;--bads:#43201d}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif;"
    "overflow-wrap:anywhere}"
    "main,footer{max-inline-size:34rem;margin-inline:auto;padding:1.25rem 1.25rem 0}footer{padding-block:0 1.25rem}"
    "p{margin:0 0 .75rem}"
    "h1{font-size:1.75rem;line-height:1.2;margin:.25rem 0 1rem}h2{font-size:1rem;margin:0 0 .6rem}"
    "header{display:flex;align-items:center;gap:.75rem;font-weight:600;color:var(--soft);margin-block-end:.5rem}"
    "header img{max-block-size:3rem;"
    "max-inline-size:8rem}"
    "section{border-block-start:1px solid var(--line);padding-block:1.1rem .35rem}"
    ".s{display:flex;gap:.75rem;padding:.9rem 1rem;border-radius:.75rem;margin-block-end:1.1rem;background:var(--oks);"
    "color:var(--ok)}.s p{margin:0}.s p bdi{font-weight:600}.s svg{flex:none;margin-block-start:.1rem}.s b{font-size:1.125rem}"
    ".w{background:var(--warns);color:var(--warn)}.l{background:var(--bads);color:var(--bad)}"
    ".n{background:var(--card);color:var(--ink);border:1px solid var(--line)}"
    "ol,ul{list-style:none;margin:0 0 .75rem;padding:0}"
    "ol li{position:relative;padding-block-end:.7rem;padding-inline-start:1.75rem}"
    "ol li:before{content:'';position:absolute;inset-inline-start:.2rem;inset-block-start:.45rem;inline-size:.7rem;"
    "block-size:.7rem;border-radius:50%;background:var(--go)}"
    "ol li:not(:last-child):after{content:'';position:absolute;inset-inline-start:.5rem;inset-block:1.3rem -.3rem;"
    "border-inline-start:2px solid var(--line)}"
    "[aria-current=step]{font-weight:700}[aria-current=step]:before{outline:3px solid var(--oks)}"
    ".c,small,dt,.q{color:var(--soft)}ol .c:before{background:var(--paper);border:2px solid var(--line)}"
    "time,.t{display:block;font-weight:400;font-size:.9375rem;color:var(--soft)}"
    "dl{margin:0 0 .75rem}dt{font-size:.9375rem}dd{margin:0 0 .6rem}dd img{max-inline-size:100%;block-size:auto;"
    "border-radius:.5rem}"
    ".b{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.6rem}"
    ".b a,.s a{display:flex;align-items:center;justify-content:center;text-align:center;min-block-size:48px;"
    "padding:.4rem .8rem;border:2px solid var(--go);border-radius:.6rem;color:var(--go);font-weight:600;text-decoration:none}"
    ".s a,.b .f{background:var(--go);color:var(--on)}.s a{margin-block-start:.7rem}"
    "a{color:var(--go)}nav a{padding-block:.7rem}"
    "nav{display:flex;flex-wrap:wrap;gap:0 1.25rem;border-block-start:1px solid var(--line);margin-block-end:.4rem}"
    "nav [aria-current]{color:var(--ink);text-decoration:none}"
    ":focus-visible{outline:3px solid var(--go);outline-offset:2px}"
    ".v{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
)

# Asks every 15 s while it is looked at; after 20 answers without news less and less often, up to 2 minutes.
SCRIPT: Final = (
    "(()=>{let d=document,m=d.querySelector('main'),v=d.getElementById('live'),e=m.dataset.e,w=15,c=0,t,"
    "s=()=>{clearTimeout(t);d.hidden||(t=setTimeout(p,w*1e3))},"
    "p=async()=>{try{let r=await fetch(location.href,{headers:{'If-None-Match':e,'Waymark-Poll':'1'},cache:'no-store'}),"
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
