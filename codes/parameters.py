"""What is added to a destination: UTM fields, the short link's query, the scan's id. Pure."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, quote_plus, urlsplit

from codes.options import UTM_FIELDS, Options

MAX_URL: Final = 4096  # with what is added; more would not fit into what proxies allow for headers


def with_parameters(
    destination: str, options: Options | None, query_string: str = "", scan_id: str | None = None
) -> str:
    """Adds UTM fields, the short link's query and the scan's id to a web address, overwriting nothing that is there."""
    if options is None or not (options.utm or options.scan_id or (options.pass_query and query_string)):
        return destination
    parts = urlsplit(destination)
    if parts.scheme not in ("http", "https"):
        return destination
    present = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    added: list[str] = []
    for name, value in _wanted(options, query_string, scan_id):
        if name not in present:
            pair = f"{quote_plus(name)}={quote_plus(value)}"
            if len(destination) + sum(map(len, added)) + len(added) + len(pair) + 1 <= MAX_URL:
                added.append(pair)
    if not added:
        return destination
    address, mark, fragment = destination.partition("#")
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{'&'.join(added)}{mark}{fragment}"


def _wanted(options: Options, query_string: str, scan_id: str | None) -> Sequence[tuple[str, str]]:
    """The link's own query first: it is what the person scanned."""
    passed = parse_qsl(query_string, keep_blank_values=True, max_num_fields=None) if options.pass_query else []
    if options.scan_id and scan_id:  # nobody else says which scan it was
        passed = [pair for pair in passed if pair[0] != options.scan_id]
    names = {name for name, _value in passed}
    utm = [(f"utm_{name}", options.utm[name]) for name in UTM_FIELDS if name in options.utm]
    own = [pair for pair in utm if pair[0] not in names]
    if options.scan_id and scan_id:
        own.append((options.scan_id, scan_id))
    return [*passed, *own]
