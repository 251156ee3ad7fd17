"""The route snapshot: lets the public side start when the control database is missing. Swapped in whole."""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from codes.options import read_options, written_options
from codes.rules import read_rules, written_rules
from redirector.routes import DomainName, Route

FORMAT: Final = 2
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
    routes = [_route(row[1:]) for row in rows if row[0] == "route"]
    return head[2], domains, routes


def _rows(seq: int, domains: Iterable[DomainName], routes: Iterable[Route]) -> Iterator[tuple[object, ...]]:
    yield "head", FORMAT, seq
    for name in domains:
        yield "domain", name.id, name.host, name.is_default, name.not_found_url
    for route in routes:
        rest = () if route.rules == () and route.options is None else _behaviour(route)
        yield "route", *route[:6], *rest


def _behaviour(route: Route) -> tuple[object, ...]:
    return written_rules(route.rules), None if route.options is None else written_options(route.options)


def _route(fields: list[Any]) -> Route:
    if len(fields) == 6:
        return Route._make([*fields, (), None])
    *plain, rules, options = fields
    return Route._make([*plain, read_rules(rules, None), None if options is None else read_options(options, None)])


def _split_end(data: bytes) -> tuple[bytes, bytes]:
    """The lines that the checksum is about, and the last one."""
    start = data.rfind(b"\n", 0, -1) + 1
    return data[:start], data[start:]
