"""Wheel build hook: makes sure that a wheel carries the built web assets. Editable installs are left alone."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MANIFEST = Path("dashboard/static/build/manifest.json")
SOURCES = ("dashboard/web", "package.json", "package-lock.json")
WITHOUT_NPM = """\
The web assets of the dashboard are {state}, and `npm` was not found to build them.
Why: the scripts and styles are not in the source tree; they are bundled from dashboard/web when a wheel is made.
What to do: install Node.js 20 or newer (it brings npm) and try again, or install a released wheel, which has them."""


class WebAssetsHook(BuildHookInterface[Any]):
    """hatchling calls `initialize` before it collects the files of a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        state = assets_state(root)
        if self.target_name != "wheel" or version == "editable" or state == "fresh":
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.abort(WITHOUT_NPM.format(state=state))
            return
        self.app.display_info(f"The web assets are {state}: building them with npm.")
        # npm's own words go to the terminal; its exit code decides.
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=root, check=True)
        subprocess.run([npm, "run", "build"], cwd=root, check=True)


def assets_state(root: Path) -> str:
    """One of "fresh", "missing", or "older than their sources"."""
    manifest = root / MANIFEST
    if not manifest.is_file():
        return "missing"
    built_at = manifest.stat().st_mtime
    return "older than their sources" if any(at > built_at for at in _source_times(root)) else "fresh"


def _source_times(root: Path) -> list[float]:
    """Modification times of what the build reads; none in an sdist that was made without the sources."""
    found: list[Path] = []
    for name in SOURCES:
        path = root / name
        found += [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return [file.stat().st_mtime for file in found if file.exists()]
