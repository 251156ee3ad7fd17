"""Addresses of a code's pages. Pure."""

from urllib.parse import quote, urlencode


def code_path(code: str, domain: str | None = None, below: str = "") -> str:
    """Of its page, or of one below it. A code of another domain than the default one needs its domain."""
    return f"/codes/{quote(code, safe='')}{below}{domain_query(domain)}"


def domain_query(domain: str | None) -> str:
    return f"?{urlencode({'domain': domain})}" if domain else ""
