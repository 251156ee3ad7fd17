"""Bytes from the web into a file, within a time and a size; and unpacking. Judges no database, installs nothing."""

import gzip
import os
import tarfile
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import urlsplit

import httpx2

from geo.databases import Parts
from geo.errors import GeoError

# The largest database on the market is about 2 GB unpacked.
MAX_BYTES = 4 * 2**30
_CHUNK_BYTES = 256 * 1024
_CONNECT_S = 4.0
_MMDB_MARK = b"\xab\xcd\xefMaxMind.com"
# By the format's specification the mark lies within the last 128 KiB.
_MMDB_TAIL_BYTES = 128 * 1024


class RefusedError(GeoError):
    """The server answered, but not with the file."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """What one update may cost in all; `ends_at` is on the monotonic clock. `transport` is the way out, httpx2's own when
    None: the private process hands in one that connects to public addresses alone."""

    seconds: float
    max_bytes: int
    ends_at: float
    transport: httpx2.BaseTransport | None = None

    @classmethod
    def of(cls, seconds: float, max_bytes: int = MAX_BYTES, transport: httpx2.BaseTransport | None = None) -> "Limits":
        return cls(seconds, max_bytes, time.monotonic() + seconds, transport)

    @property
    def remaining_s(self) -> float:
        return max(0.0, self.ends_at - time.monotonic())

    def too_slow(self, what: str) -> GeoError:
        return GeoError(
            f"{what} took longer than the {self.seconds:g} s allowed. Try again later with `waymark geo update`, or "
            "fetch the file yourself and give its path: `waymark geo update FILE`."
        )

    def too_large(self, what: str) -> GeoError:
        return GeoError(f"{what} is larger than the {self.max_bytes:,} bytes allowed. Take a smaller edition of it.")


def download(url: str, parts: Parts, limits: Limits, auth: tuple[str, str] | None = None) -> Path:
    """Fetch a URL into an unfinished file. Raises GeoError, or RefusedError when the server says no.

    The work is done in a thread of its own because looking up a host name obeys no time limit. A thread that is given
    up finds its file closed and ends by itself.
    """
    path = parts.new_path()
    with path.open("xb") as file:
        outcome: Future[None] = Future()
        threading.Thread(
            target=_settle, args=(outcome, lambda: _stream(url, file, limits, auth)), name="geo-download", daemon=True
        ).start()
        try:
            outcome.result(limits.remaining_s)
        except TimeoutError:
            raise limits.too_slow(shown(url)) from None
    return path


def unpack(path: Path, parts: Parts, limits: Limits, name: str) -> Path:
    """The database inside a file that may be a .mmdb, a .gz of one, or a (compressed) tar with one in it.

    Decided by content: servers and people rename files. `name` is for messages.
    """
    for _ in range(3):  # a server may gzip what already is a .tar.gz
        head = _head(path)
        try:
            if head.startswith(b"\x1f\x8b"):
                with gzip.open(path) as packed:
                    path = _copied(packed, parts, limits, name)
            elif head[257:262] == b"ustar":
                path = _untarred(path, parts, limits, name)
            else:
                break
        except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
            raise GeoError(f"{name} is cut short or damaged ({error}). Fetch it again.") from error
    if not _is_database(path):
        raise GeoError(
            f"{name} is {_looks_like(_head(path))}, not a place database. Give the address or path of a .mmdb, "
            ".mmdb.gz or .tar.gz file."
        )
    return path


def copy(source: Path, parts: Parts, limits: Limits) -> Path:
    """A copy in the place folder: whoever owns the original may write to it in place one day."""
    try:
        file = source.open("rb")
    except OSError as error:
        raise GeoError(
            f"{source} cannot be read: {error.strerror}. Give dbip, npm, maxmind, a URL, or the path of a .mmdb, "
            ".mmdb.gz or .tar.gz file."
        ) from error
    with file:
        return _copied(file, parts, limits, source.name)


def shown(url: str) -> str:
    """A URL fit for messages and notes: without name, password and query, which may hold a key."""
    try:
        split = urlsplit(url)
    except ValueError:
        return "the address given"
    host = split.netloc.rpartition("@")[2]
    return f"{split.scheme}://{host}{split.path}"


def _settle(outcome: Future[None], work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:  # handed to the waiting thread, whatever it is
        outcome.set_exception(error)
    else:
        outcome.set_result(None)


def _stream(url: str, file: BinaryIO, limits: Limits, auth: tuple[str, str] | None) -> None:
    name = shown(url)
    remaining_s = limits.remaining_s
    timeout = httpx2.Timeout(remaining_s, connect=min(remaining_s, _CONNECT_S))
    # Bytes as they are: what the file contains is decided by unpack().
    headers = {"Accept-Encoding": "identity", "User-Agent": "Waymark"}
    try:
        with (
            httpx2.Client(
                timeout=timeout, headers=headers, follow_redirects=True, max_redirects=5, transport=limits.transport
            ) as client,
            client.stream("GET", url, auth=auth) as response,
        ):
            if response.status_code != 200:
                raise _refusal(name, response.status_code)
            if int(response.headers.get("Content-Length", 0)) > limits.max_bytes:
                raise limits.too_large(name)
            received = 0
            for chunk in response.iter_raw(_CHUNK_BYTES):
                received += len(chunk)
                _check(received, limits, name)
                file.write(chunk)
    except httpx2.TimeoutException as error:
        raise GeoError(f"{name} did not answer in time. Check the connection, or take another source.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise GeoError(f"{name} could not be fetched: {error}. Check the address and the connection.") from error


def _refusal(name: str, status: int) -> RefusedError:
    advice = "Check the account and its key." if status in (401, 403) else "Check the address, or try again later."
    return RefusedError(f"{name} could not be fetched: the server answered {status}. {advice}", status)


def _copied(source: IO[bytes] | gzip.GzipFile, parts: Parts, limits: Limits, name: str) -> Path:
    path = parts.new_path()
    written = 0
    with path.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            _check(written, limits, name)
            file.write(chunk)
    return path


def _untarred(path: Path, parts: Parts, limits: Limits, name: str) -> Path:
    """The first database in a tar. Names inside are compared, never used as paths, and links are not followed."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isreg() and member.name.endswith(".mmdb") and (content := archive.extractfile(member)):
                with content:
                    return _copied(content, parts, limits, name)
    raise GeoError(f"{name} holds no .mmdb file. Give an archive with a place database in it.")


def _check(size: int, limits: Limits, name: str) -> None:
    if size > limits.max_bytes:
        raise limits.too_large(name)
    if limits.remaining_s == 0:
        raise limits.too_slow(name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MMDB_TAIL_BYTES))
        return _MMDB_MARK in file.read()


def _looks_like(head: bytes) -> str:
    start = head.lstrip().lower()
    if not start:
        return "empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    return "a zip archive" if start.startswith(b"pk\x03\x04") else "something else or cut short"
