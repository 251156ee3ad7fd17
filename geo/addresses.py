"""Addresses as text: strict reading, and the middle of a cut range. No look-ups here."""

import socket

_MAPPED_IPV4 = bytes(10) + b"\xff\xff"


def find_address(text: str) -> tuple[int, str] | None:
    """The IP version (4 or 6) and the text to look up, or None for anything that is no address.

    The database reader takes "8.8" for 8.0.0.8 and "0x8.8.8.8" for an address; inet_pton takes neither. An IPv4 address
    written as IPv6 (::ffff:203.0.113.9) is looked up as IPv4.
    """
    try:
        if ":" not in text:
            socket.inet_pton(socket.AF_INET, text)
            return 4, text
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED_IPV4):
        return 4, socket.inet_ntop(socket.AF_INET, packed[12:])
    return 6, text


def middle_of(prefix: str) -> str:
    """The address in the middle of a range: "203.0.113.0/24" -> "203.0.113.128".

    A cut range is looked up there because its first address often belongs to a neighbour's smaller block. Whatever is
    not a well-formed range (a bare address, nonsense) comes back unchanged, and a look-up judges it.
    """
    network, slash, length_text = prefix.partition("/")
    if not slash or not (length_text.isascii() and length_text.isdigit() and len(length_text) <= 3):
        return prefix
    family, bits = (socket.AF_INET6, 128) if ":" in network else (socket.AF_INET, 32)
    host_bits = bits - int(length_text)
    try:
        packed = socket.inet_pton(family, network)
    except (OSError, ValueError):
        return prefix
    if host_bits < 0:
        return prefix
    value = int.from_bytes(packed, "big") >> host_bits << host_bits
    if host_bits:
        value |= 1 << (host_bits - 1)
    return socket.inet_ntop(family, value.to_bytes(bits // 8, "big"))
