"""The route snapshot: lets the public side start when the control database is missing. Swapped in whole."""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import orjson

from redirector.routes import DomainName, Route

FORMAT: Final = 1
_HEAD: Final = orjson.dumps(("head", FORMAT))[:-1] + b","


class SnapshotError(Exception):
    """There is no snapshot, or it is not whole; nothing of it is used."""


def write_snapshot(path: Path, seq: int, domains: Iterable[DomainName], routes: Iterable[Route]) -> None:
    """One JSON array per line; the last one holds a checksum: a cut-off or damaged file would send people elsewhere."""
    temporary = path.with_suffix(".tmp")
    checksum = 0
    with temporary.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for fields in _rows(seq, domains, routes):
            line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
            checksum = zlib.crc32(line, checksum)
            file.write(line)
        file.write(orjson.dumps(("end", checksum), option=orjson.OPT_APPEND_NEWLINE))
        file.flush()
        os.fdatasync(file.fileno())
    temporary.replace(path)


def read_snapshot(path: Path) -> tuple[int, list[DomainName], list[Route]]:
    """(position in the change feed, domains, routes); raises SnapshotError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError(f"{path} does not exist") from None
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error.strerror}") from error
    body, end = _split_end(data)
    if not data.startswith(_HEAD) or end != orjson.dumps(("end", zlib.crc32(body)), option=orjson.OPT_APPEND_NEWLINE):
        raise SnapshotError(f"{path} is cut off, damaged or of another version")
    head, *rows = [orjson.loads(line) for line in body.splitlines()]
    domains = [DomainName(*row[1:]) for row in rows if row[0] == "domain"]
    routes = [Route(*row[1:]) for row in rows if row[0] == "route"]
    return head[2], domains, routes


def _rows(seq: int, domains: Iterable[DomainName], routes: Iterable[Route]) -> Iterator[tuple[object, ...]]:
    yield "head", FORMAT, seq
    for name in domains:
        yield "domain", name.id, name.host, name.is_default
    for route in routes:
        yield "route", route.code_id, route.domain_id, route.code, route.legacy, route.version, route.destination


def _split_end(data: bytes) -> tuple[bytes, bytes]:
    """The lines that the checksum is about, and the last one."""
    start = data.rfind(b"\n", 0, -1) + 1
    return data[:start], data[start:]
