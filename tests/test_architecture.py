"""The rules of the house, read from the source: who imports whom, settings, sizes, lock files."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from waymark.config import SECTIONS, Config, config_from

ROOT = Path(__file__).parent.parent
# Each may import what stands below it, never above.
PACKAGES = ["waymark", "dashboard", "analytics", "redirector", "jobs", "codes", ("geo", "database")]
RANK = {
    name: rank for rank, entry in enumerate(PACKAGES) for name in ([entry] if isinstance(entry, str) else list(entry))
}
MODULES = sorted(path for package in RANK for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 400
LARGER = {
    "dashboard/pages.py": 460,  # may shrink, not grow
    "dashboard/views.py": 480,
    "database/schema.py": 600,  # one list of tables, read as one
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "service", "base", "misc"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative imports hide the direction"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_at_once(path: Path) -> Iterator[str]:
    """What importing it imports before its end: not what functions and type checkers ask for. Names of things, too."""
    rest: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            rest.extend(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            rest.extend(ast.iter_child_nodes(node))


def packages_to(name: str) -> list[str]:
    """It and the packages that are imported before it."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def test_any_module_can_be_imported_first() -> None:
    """No module needs, while it is being imported, one that needs it: whoever comes first in a circle gets half of it."""
    ours = {dotted(path): path for path in MODULES}
    needs = {
        name: {
            needed
            for imported in imports_at_once(path)
            for needed in packages_to(imported)
            if needed in ours and needed not in packages_to(name)
        }
        for name, path in ours.items()
    }
    assert "dashboard.api.symbols" in needs["dashboard.api"]
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(f"importing goes in a circle: {' needs '.join(reversed(error.args[1]))}")


def test_there_is_something_to_read() -> None:
    assert len(MODULES) > 50
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for imported in imports_of(path):
        other = imported.partition(".")[0]
        if other not in RANK or other == package:
            continue
        assert RANK[package] < RANK[other], f"{package} may not import {imported}"


def test_only_waymark_knows_the_settings_file() -> None:
    elsewhere = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "waymark"]
    assert [name_of(path) for path in elsewhere if "waymark.config" in set(imports_of(path))] == []
    assert [name_of(path) for path in elsewhere if "tomllib" in set(imports_of(path))] == []


def test_the_redirector_reads_no_scans() -> None:
    """It writes a record, and somebody reads it later: a heavy report cannot slow a redirect."""
    heavy = {"duckdb", "fastapi", "alembic", "clickhouse_connect", "argon2", "geoip2", "maxminddb"}
    for path in (ROOT / "redirector").rglob("*.py"):
        assert heavy.isdisjoint(name.partition(".")[0] for name in imports_of(path)), name_of(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_a_noun_of_bearable_size_with_a_docstring(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LARGER.get(name_of(path), MAX_LINES)
    assert path.stem not in BANNED_NAMES
    assert ast.get_docstring(ast.parse(text)), "one to three lines: what it owns, what it must not do"


def settings_file() -> str:
    return (ROOT / "config.toml").read_text(encoding="utf-8")


def test_the_settings_file_holds_every_key_with_its_default() -> None:
    document = tomllib.loads(settings_file())
    assert config_from(document) == Config()
    assert set(document) == set(SECTIONS)
    for section in SECTIONS:
        keys = {field.name for field in fields(getattr(Config(), section))}
        assert set(document[section]) == keys, section


def test_every_setting_has_a_comment_on_its_line() -> None:
    lines = [line for line in settings_file().splitlines() if line and not line.startswith(("#", "["))]
    bare = [line for line in lines if not re.fullmatch(r"\w+ = .*\S +# \S.+", line)]
    assert bare == []


LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
ADDRESS = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host")


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_a_python_lock_file_has_hashes_and_no_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ADDRESS.search(text) is None
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z0-9,_-]+\])?==", text, re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(pinned) == len(entries) > 20
    assert [entry.split("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_runtime_lock_is_part_of_the_development_lock() -> None:
    run, dev = (
        set(re.findall(r"^\S+==\S+", path.read_text(encoding="utf-8"), re.MULTILINE))
        for path in (ROOT / "requirements" / "run.lock.txt", ROOT / "requirements" / "dev.lock.txt")
    )
    assert run
    assert run - dev == set()


def test_the_web_lock_file_has_hashes_and_no_host() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert len(packages) > 10
    for name, entry in packages.items():
        assert "resolved" not in entry, name
        assert not name or entry.get("link") or entry["integrity"].startswith("sha512-"), name
    assert "omit-lockfile-registry-resolved=true" in (ROOT / ".npmrc").read_text(encoding="utf-8").split()


def test_no_settings_of_an_index_are_kept_in_the_checkout() -> None:
    for name in (".npmrc", "pyproject.toml", "Makefile", "package.json"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"registry\s*=|(?<!no-emit-)index-url|find-links|\[\[?tool\.uv", text) is None, name
