"""When a certificate ends. Python's ssl tells it only of a peer's, so the few bytes before the date are walked here."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}


class CertificateError(ValueError):
    """The file holds no certificate that can be read."""


def expiry(path: Path) -> datetime:
    """notAfter of the first certificate in a PEM file, the server's own (RFC 5280, section 4.1)."""
    text = path.read_text("ascii", "replace")
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < begin:
        raise CertificateError(f"{path} holds no PEM certificate")
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)]))
    except (ValueError, IndexError, KeyError) as error:
        raise CertificateError(f"{path} cannot be read as a certificate") from error


def _not_after(der: bytes) -> datetime:
    certificate = _element(der, 0)
    position = _element(der, certificate[1])[1]  # inside tbsCertificate
    if der[position] == _VERSION:
        position = _element(der, position)[2]
    for _serial_algorithm_issuer in range(3):
        position = _element(der, position)[2]
    validity = _element(der, position)
    if validity[0] != _SEQUENCE:
        raise CertificateError("no validity where it belongs")
    not_before = _element(der, validity[1])
    kind, start, end = _element(der, not_before[2])
    return datetime.strptime(der[start:end].decode("ascii"), _FORMATS[kind]).replace(tzinfo=UTC)


def _element(der: bytes, position: int) -> tuple[int, int, int]:
    """(tag, where the content starts, where it ends) of the DER element there."""
    tag, length = der[position], der[position + 1]
    start = position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(der[start : start + size], "big")
        start += size
    return tag, start, start + length
