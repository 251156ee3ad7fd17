"""From a page to a response: the shell around it, the theme, the message when the web build is missing."""

from functools import lru_cache

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse, Response

from dashboard.access import Identity
from dashboard.charts import WorldMap
from dashboard.print_views import PrintPage
from dashboard.rendering import MISSING_BUILD, Assets, AssetsMissing, create_environment, load_assets, render
from dashboard.views import Page, Shell
from redirector.facts import client_address

THEMES = ("light", "dark")


@lru_cache(maxsize=1)
def _loaded() -> tuple[Assets, jinja2.Environment]:
    assets = load_assets()
    return assets, create_environment(assets)


def find_assets() -> Assets | None:
    try:
        return _loaded()[0]
    except AssetsMissing:
        return None


def world_map() -> WorldMap:
    return _loaded()[0].world


def show(
    request: Request,
    page: Page | PrintPage,
    identity: Identity | None = None,
    *,
    email: str = "",
    status: int = 200,
    notice: str = "",
) -> Response:
    try:
        _assets, environment = _loaded()
    except AssetsMissing:
        return HTMLResponse(MISSING_BUILD, 503)
    shell = None
    if identity is not None:
        version = request.state.parts.settings.version
        shell = Shell(identity.csrf, identity.name, email, identity.role, theme_of(request), notice, version)
    return HTMLResponse(render(environment, page, shell), status)


def theme_of(request: Request) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in THEMES else ""


def is_secure(request: Request) -> bool:
    """Whether people reach us over https: then cookies are for https alone."""
    dashboard_url: str = request.state.parts.settings.dashboard_url
    return dashboard_url.startswith("https://")


def address_of(request: Request) -> str:
    """Who is asking, behind the trusted proxies too: failed logins are counted per address."""
    trust = request.state.parts.settings.trust
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.getlist(trust.header), trust).address


def sentence(error: Exception) -> str:
    """An error's message as a page shows it: with a capital."""
    text = str(error)
    return text[:1].upper() + text[1:]
