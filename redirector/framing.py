"""What a whole head says of the request's shape, or why it is refused (RFC 9112, sections 2.2, 3.2, 5.2, 6.3, 11.2).

Refused is above all what proxies and servers read differently. Knows no connection.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100

_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [\x21-\x7e]+ HTTP/1\.[01]")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(?:[/?#].*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    reason: str
    text: str


TOO_SLOW: Final = Refusal(408, "Request Timeout", "The request did not arrive in time.")
TOO_LARGE: Final = Refusal(
    431,
    "Request Header Fields Too Large",
    f"A request's head may have {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers.",
)
BUSY: Final = Refusal(503, "Service Unavailable", "Too many connections; try again in a moment.")


def body_framing(head: bytes) -> tuple[int, bool] | Refusal:
    """(Content-Length, chunked) of a whole head, or why it is refused."""
    if len(head) > MAX_HEAD_BYTES:
        return TOO_LARGE
    lines = head[:-4].split(b"\r\n")
    if len(lines) - 1 > MAX_HEADERS:
        return TOO_LARGE
    if not _REQUEST_LINE.fullmatch(lines[0]):
        return malformed("its first line is not METHOD TARGET HTTP/1.1")
    values: dict[bytes, bytes] = {}
    counts = {b"host": 0, b"content-length": 0, b"transfer-encoding": 0}
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field is None:
            return malformed("one of its header lines is not NAME: VALUE")
        name = field[1].lower()
        if name in counts:
            counts[name] += 1
            values[name] = line[len(name) + 1 :].strip(b" ")  # tabs are left in: parsers differ over them
    return _target_problem(lines[0], values, counts) or _framing(lines[0], values, counts)


def refusal_bytes(refusal: Refusal, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    headers = b"".join(name + b": " + value + b"\r\n" for name, value in default_headers)
    body = refusal.text.encode() + b"\n"
    return (
        f"HTTP/1.1 {refusal.status} {refusal.reason}\r\n".encode()
        + headers
        + b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\nconnection: close\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def malformed(why: str) -> Refusal:
    return Refusal(400, "Bad Request", f"This is no request that can be answered: {why}.")


def _target_problem(first_line: bytes, values: dict[bytes, bytes], counts: dict[bytes, int]) -> Refusal | None:
    method, target, _version = first_line.split(b" ")
    if counts[b"host"] != 1:
        return malformed("it needs exactly one Host header")
    if method == b"CONNECT":  # the parser takes what follows for another protocol, whatever Content-Length says
        return Refusal(501, "Not Implemented", "No tunnels are opened here: CONNECT is not understood.")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and absolute[1].lower() != values[b"host"].strip(b"\t").lower():
        return malformed("its target and its Host header name different hosts")
    return None


def _framing(first_line: bytes, values: dict[bytes, bytes], counts: dict[bytes, int]) -> tuple[int, bool] | Refusal:
    if counts[b"content-length"] + counts[b"transfer-encoding"] > 1:
        return malformed("its length is stated more than once")
    length = values.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 16):
        return malformed("its Content-Length is not a number")
    coding = values.get(b"transfer-encoding")
    if coding is not None and first_line.endswith(b"1.0"):
        return malformed("HTTP/1.0 knows no Transfer-Encoding")
    if coding is not None and coding.lower() != b"chunked":
        return Refusal(501, "Not Implemented", "The only Transfer-Encoding understood here is chunked.")
    return int(length or 0), coding is not None
