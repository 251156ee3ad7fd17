"""Templates and web assets: the Jinja environment, hashed asset addresses, the world map. Knows no routes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from dashboard.charts import WorldMap
from dashboard.print_views import PrintPage
from dashboard.views import Page, Shell

STATIC_PATH = "/static/"
_HERE = Path(__file__).parent
DEFAULT_BUILD_FOLDER = _HERE / "static" / "build"

MISSING_BUILD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Waymark: web assets are missing</title></head>
<body><h1>The web assets are missing</h1>
<p>This is a source checkout whose scripts and styles have not been built, so no page can be shown.
Codes redirect and the API answers all the same.</p>
<p>Run <code>npm ci &amp;&amp; npm run build</code> in the checkout (Node 20 or newer) and restart,
or install a released wheel, which contains them.</p></body></html>
"""


class AssetsMissing(Exception):  # noqa: N818 - a state to explain, not a failure of the program
    """The web build is not there: answer 503 with MISSING_BUILD."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The finished web build: its folder, hashed names by plain name, and the world map."""

    folder: Path
    names: Mapping[str, str]
    world: WorldMap

    def path(self, name: str) -> str:
        """The address of a built file: `app.js` -> `/static/app-0123456789.js`."""
        return STATIC_PATH + self.names[name]


def load_assets(folder: Path = DEFAULT_BUILD_FOLDER) -> Assets:
    """Reads the build's manifest and map; raises AssetsMissing when there is no (whole) build."""
    try:
        names = json.loads((folder / "manifest.json").read_text("utf-8"))
        return Assets(folder, names, WorldMap.load(folder / "world.json"))
    except FileNotFoundError as error:
        raise AssetsMissing(
            f"{error.filename} is missing: run `npm ci && npm run build`, or install a wheel"
        ) from error


def create_environment(assets: Assets) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets.path
    environment.filters["with_code"] = with_code
    return environment


def with_code(text: str) -> Markup:
    """Text with its `commands` in backticks set as code; everything in it is escaped."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a lone backtick is just a character
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def render(environment: jinja2.Environment, page: Page | PrintPage, shell: Shell | None = None) -> str:
    """A page as HTML. `shell` is for signed-in pages; pages outside (login, set-up, errors) go without."""
    return environment.get_template(page.template).render(page=page, shell=shell)
