"""When a wheel's web assets count as missing, stale or fresh."""

import os
from pathlib import Path

import pytest

from build_hook import MANIFEST, assets_state

BUILT_AT = 1_000_000_000


@pytest.mark.parametrize(
    ("case", "files", "state"),
    [
        ("a fresh checkout", {"package.json": 0}, "missing"),
        ("built after the last change", {"dashboard/web/app.js": -1, MANIFEST: 0}, "fresh"),
        ("unpacked from an archive with one time for all", {"dashboard/web/app.js": 0, MANIFEST: 0}, "fresh"),
        ("no sources at all", {MANIFEST: 0}, "fresh"),
        ("a style changed since", {"dashboard/web/styles/a.css": 1, MANIFEST: 0}, "older than their sources"),
        ("a dependency changed since", {"package-lock.json": 1, MANIFEST: 0}, "older than their sources"),
    ],
)
def test_state_of_the_web_assets(tmp_path: Path, case: str, files: dict[str | Path, int], state: str) -> None:
    for name, seconds in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (BUILT_AT + seconds, BUILT_AT + seconds))
    assert assets_state(tmp_path) == state, case
