"""The place folder: which files are in use, their notes, and the swap. Nothing here fetches anything.

city.json and asn.json are notes that name the files in use. Replacing a note is the swap: a reader sees the old set of
files or the new one, never a mixture. Database files are never written or replaced under a name that is in use.
"""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Literal, Self

import maxminddb

from geo.errors import GeoError
from geo.providers import Attribution

Kind = Literal["city", "asn"]
KINDS: tuple[Kind, ...] = ("city", "asn")

# What the reader raises for a damaged file, depending on where the damage is.
READ_ERRORS = (maxminddb.InvalidDatabaseError, ValueError, OverflowError, OSError)

_OWN_FILE = re.compile(r"(city|asn)-\d{8}-[0-9a-f]{8}\.mmdb")


@dataclass(frozen=True, slots=True)
class Edition:
    """One installed database: what a note says. `files` are plain names in the place folder."""

    kind: Kind
    source: str
    origin: str
    provider: str
    licence: str
    attribution: Attribution | None
    built_on: date
    installed_at: datetime
    files: tuple[str, ...]


def note_path(folder: Path, kind: Kind) -> Path:
    return folder / f"{kind}.json"


def find_edition(folder: Path, kind: Kind) -> Edition | None:
    """What is installed; None when nothing is. Raises GeoError when the note cannot be read."""
    path = note_path(folder, kind)
    try:
        return _edition_from(json.loads(path.read_bytes()), kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GeoError(
            f"The note {path} cannot be read ({error}). Run `waymark geo update` to install a database anew."
        ) from error


def find_usable_edition(folder: Path, kind: Kind) -> Edition | None:
    """What is installed and opens; None otherwise. Costs no more than opening the files."""
    try:
        edition = find_edition(folder, kind)
        for name in edition.files if edition else ():
            open_reader(folder / name)
    except GeoError:
        return None
    return edition


def open_reader(path: Path) -> maxminddb.Reader:
    """A memory-mapped reader. It is closed by dropping the last reference, so that no look-up loses it half-way."""
    try:
        return maxminddb.open_database(path, maxminddb.MODE_AUTO)
    except READ_ERRORS as error:
        raise GeoError(
            f"{path} cannot be read as a place database: {error}. Fetch it again, or take another source."
        ) from error


class Parts:
    """Unfinished files in the place folder; whatever has not been moved away is deleted at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)

    def new_path(self) -> Path:
        path = self._folder / f".{secrets.token_hex(8)}.part"
        self._paths.append(path)
        return path


@contextmanager
def exclusive(folder: Path) -> Iterator[Parts]:
    """The only writer in the place folder while the block runs. Raises GeoError when there is another one.

    A failing disk inside the block (full, read-only, no rights) becomes a GeoError too.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("ab") as lock:
            _lock(lock, folder)
            # Left behind by a process that was killed: nobody else writes here now.
            for leftover in folder.glob(".*.part"):
                leftover.unlink(missing_ok=True)
            with Parts(folder) as parts:
                yield parts
    except OSError as error:
        raise GeoError(
            f"{error.filename or folder} failed: {error.strerror}. Check the room on the disk and the rights of this "
            "user; databases in use are as they were."
        ) from error


def install(folder: Path, parts: Parts, names: Mapping[Path, str], editions: Iterable[Edition]) -> None:
    """Give verified files their names, then swap the notes. Call it inside `exclusive`."""
    try:
        for path, name in names.items():
            _flush(path)
            path.replace(folder / name)
        for edition in editions:
            note = parts.new_path()
            note.write_text(_note_text(edition), encoding="utf-8")
            _flush(note)
            note.replace(note_path(folder, edition.kind))
    finally:
        _sweep(folder)


def new_file_name(kind: Kind, built_on: date) -> str:
    return f"{kind}-{built_on:%Y%m%d}-{secrets.token_hex(4)}.mmdb"


def _lock(file: IO[bytes], folder: Path) -> None:
    """Held until the file is closed, also by the death of the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GeoError(f"Another update is at work in {folder}. Wait until it is done and try again.") from error


def _sweep(folder: Path) -> None:
    """Delete database files no note names. Other processes go on reading theirs: the mapping outlives the name."""
    used: set[str] = set()
    for kind in KINDS:
        try:
            edition = find_edition(folder, kind)
        except GeoError:
            return  # an unreadable note may name any of them
        used.update(edition.files if edition else ())
    for path in folder.glob("*.mmdb"):
        if _OWN_FILE.fullmatch(path.name) and path.name not in used:
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """A rename may reach the disk before the content: flush first, or a power cut leaves an empty database."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _note_text(edition: Edition) -> str:
    shown = edition.attribution
    note = {
        "source": edition.source,
        "origin": edition.origin,
        "provider": edition.provider,
        "licence": edition.licence,
        "attribution": {"text": shown.text, "url": shown.url} if shown else None,
        "built_on": edition.built_on.isoformat(),
        "installed_at": edition.installed_at.isoformat(),
        "files": list(edition.files),
    }
    return json.dumps(note, indent=2, ensure_ascii=False) + "\n"


def _edition_from(note: dict[str, Any], kind: Kind) -> Edition:
    shown = note["attribution"]
    files = tuple(note["files"])
    if not files or any(not isinstance(name, str) or Path(name).name != name for name in files):
        raise ValueError("it names no file of this folder")
    return Edition(
        kind=kind,
        source=str(note["source"]),
        origin=str(note["origin"]),
        provider=str(note["provider"]),
        licence=str(note["licence"]),
        attribution=Attribution(str(shown["text"]), str(shown["url"])) if shown else None,
        built_on=date.fromisoformat(note["built_on"]),
        installed_at=datetime.fromisoformat(note["installed_at"]),
        files=files,
    )
