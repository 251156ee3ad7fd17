"""What all fast connections of a worker share: ready answers, heads read before, and the turn's scans before their one write.

Nothing in here may change what is answered or recorded: it remembers pure functions of bytes, bounded in size and time.
"""

import asyncio
import re
import time
from typing import Any, Final, NamedTuple, Protocol

from codes.alphabet import reserved_reason
from redirector.decision import plain_decision
from redirector.facts import PREFETCH_HEADERS
from redirector.recorder import MAX_HOST, Recorder, Told, decided_part, told_by
from redirector.routes import RouteTable

MAX_ANSWERS: Final = 20_000
MAX_LINES: Final = 64
MAX_FIELDS: Final = 4_000
MAX_KEPT_LINE: Final = 256
MAX_HEADS: Final = 2_000
MAX_KEPT_HEAD: Final = 1_500
HEADS_FOR_S: Final = 60.0  # they may hold what a browser says of its user: not kept for longer than they help

_CODE: Final = re.compile(rb"[0-9A-Za-z._~-]{1,64}")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN: Final = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})

IGNORED, HOST, USER_AGENT, REFERRER, LANGUAGE, GPC, FORWARDED, CONNECTION, NOT_OURS = range(9)
PREFETCH_NAMES: Final = tuple(name.encode() for name in PREFETCH_HEADERS)
_SLOTS: Final = {
    b"host": HOST,
    b"user-agent": USER_AGENT,
    b"referer": REFERRER,
    b"accept-language": LANGUAGE,
    b"sec-gpc": GPC,
    b"connection": CONNECTION,
} | dict.fromkeys(
    (b"cookie", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"http2-settings", *PREFETCH_NAMES),
    NOT_OURS,
)


class Head(NamedTuple):
    """The headers of one request, read."""

    told: Told
    host: bytes
    close: bool
    forwarded: tuple[str, ...]


class Answer(NamedTuple):
    decided: str  # what the journal says of it
    rest: bytes  # what is sent behind the Date header


class Waiting(Protocol):
    """A connection whose answer waits for its scan to be written."""

    loop: asyncio.AbstractEventLoop
    server_state: Any

    def answered(self, answer: bytes, now: float, close: bool) -> None: ...


class Hot:
    def __init__(self, table: RouteTable, recorder: Recorder) -> None:
        self.recorder = recorder
        self.proxied = bool(recorder.trust.networks)
        self.heads: dict[bytes, Head] = {}
        self._answers: dict[tuple[bytes, bytes], Answer] = {}
        self._fields: dict[bytes, tuple[int, str]] = {}
        self._header = recorder.trust.header.encode() if self.proxied else None
        self._table = table
        self._journal = recorder.journal
        self._changes = -1
        self._turn: list[tuple[Waiting, bytes, bool]] = []
        self._lines: list[bytes] = []
        self._unsynced: list[tuple[Waiting, bytes, bool]] = []
        self._sender: asyncio.Task[None] | None = None
        self._default_headers: Any = None
        self._prefix = b""
        self._forget_at = time.monotonic() + HEADS_FOR_S

    def find(self, host: bytes, code: bytes) -> Answer | None:
        """For a code in memory; None for anything else."""
        if self._changes != self._table.changes:
            self._changes = self._table.changes
            self._answers.clear()
        return self._answers.get((host, code)) or self._build(host, code)

    def read(self, block: bytes) -> Head | None:
        """The header lines of a request; None when another protocol has to look at them."""
        lines = block.split(b"\r\n")
        if len(lines) > MAX_LINES:
            return None
        found = [""] * 9
        seen = 0
        forwarded: list[str] = []
        known = self._fields
        for line in lines:
            field = known.get(line) or self._field(line)
            if field is None:
                return None
            slot, text = field
            if slot == IGNORED:
                continue
            if slot == FORWARDED:
                forwarded.append(text)
            elif seen >> slot & 1:
                return None
            else:
                found[slot] = text
                seen |= 1 << slot
        return self._kept(block, found, forwarded) if seen >> HOST & 1 else None

    def add(self, protocol: Waiting, line: bytes, answer: bytes, close: bool) -> None:
        if not self._turn:
            protocol.loop.call_soon(self.flush)
        self._turn.append((protocol, answer, close))
        self._lines.append(line)

    def flush(self) -> None:
        """One journal write for all scans of this event-loop turn, and only then their answers."""
        if not self._turn:
            return
        turn, self._turn = self._turn, []
        lines, self._lines = self._lines, []
        self._journal.append_scans(lines)
        if self._journal.durability != "power":
            self._send(turn)
            return
        self._unsynced += turn
        if self._sender is None or self._sender.done():
            self._sender = turn[0][0].loop.create_task(self._send_when_durable())

    async def _send_when_durable(self) -> None:
        """One task for all, so that a connection's answers cannot overtake each other."""
        while self._unsynced:
            turn, self._unsynced = self._unsynced, []
            await self._journal.durable()
            self._send(turn)

    def _send(self, turn: list[tuple[Waiting, bytes, bool]]) -> None:
        now = time.monotonic()
        default_headers = turn[0][0].server_state.default_headers
        if default_headers is not self._default_headers:  # uvicorn makes a new list each second
            self._default_headers = default_headers
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in default_headers)
            self._prefix = b"HTTP/1.1 302 Found\r\n" + lines
            self._forget_heads(now)
        prefix = self._prefix
        for protocol, answer, close in turn:
            protocol.answered(prefix + answer, now, close)

    def _forget_heads(self, now: float) -> None:
        if now >= self._forget_at:
            self._forget_at = now + HEADS_FOR_S
            self.heads.clear()
            self._fields.clear()

    def _field(self, line: bytes) -> tuple[int, str] | None:
        """(what a header is to us, its value); None for what is no header, or not ours to answer."""
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or value.translate(None, _PLAIN):
            return None
        lower = name.lower()
        slot = FORWARDED if lower == self._header else _SLOTS.get(lower, IGNORED)
        text = value.strip(b" \t").decode("latin-1")
        if slot == NOT_OURS or (slot == CONNECTION and text.lower() not in ("close", "keep-alive")):
            return None
        field = slot, "" if slot == IGNORED else text
        if slot != FORWARDED and len(line) <= MAX_KEPT_LINE:
            if len(self._fields) >= MAX_FIELDS:
                self._fields.clear()
            self._fields[line] = field
        return field

    def _kept(self, block: bytes, found: list[str], forwarded: list[str]) -> Head:
        host = found[HOST]
        told = told_by(found[USER_AGENT], found[REFERRER], found[LANGUAGE], found[GPC], host)
        head = Head(told, host.encode("latin-1"), found[CONNECTION].lower() == "close", tuple(forwarded))
        if not forwarded and len(block) <= MAX_KEPT_HEAD:  # a client's address makes its head one of a kind
            if len(self.heads) >= MAX_HEADS:
                self.heads.clear()
            self.heads[block] = head
        return head

    def _build(self, host: bytes, code: bytes) -> Answer | None:
        if not _CODE.fullmatch(code):
            return None
        text = code.decode("ascii")
        domain = self._table.domain_for(host.decode("latin-1"))
        route = None if domain is None or reserved_reason(text) else self._table.find(domain.id, text)
        if route is None or not route.is_plain:
            return None
        decision = plain_decision(route)
        rest = b"\r\ncache-control: private, no-store\r\ncontent-length: 0\r\n\r\n"
        answer = Answer(
            decided_part(route, decision), b"location: " + (decision.destination or "").encode("latin-1") + rest
        )
        if len(self._answers) >= MAX_ANSWERS:
            self._answers.clear()
        if len(host) <= MAX_HOST:  # any Host is answered by the default domain; not any is worth its memory
            self._answers[host, code] = answer
        return answer
