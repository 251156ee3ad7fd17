"""What a request says about itself: whose address it is, what is cut away, what is not counted."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redirector.facts import (
    MAX_AGENT,
    MAX_PAIRS,
    MAX_REFERRER,
    MAX_VALUE,
    ProxyTrust,
    client_address,
    cut_address,
    first_language,
    kept_query,
    networks_from,
    prefix_of,
    trimmed_agent,
    trimmed_referrer,
    uncounted_reason,
)

PROXY = "10.0.0.1"
TRUSTED = networks_from(["10.0.0.0/8", "2001:db8:ffff::/48"])
PHONE = "203.0.113.9"

# (plain words, header name, header lines, the client's address) behind the trusted proxy 10.0.0.1
WALKS: list[tuple[str, str, list[str], str]] = [
    ("one address", "x-forwarded-for", [PHONE], PHONE),
    ("spaces around it", "x-forwarded-for", [f"  {PHONE}\t"], PHONE),
    ("a spoofed left part", "x-forwarded-for", [f"198.51.100.66, {PHONE}"], PHONE),
    ("a spoofed trusted address on the left", "x-forwarded-for", [f"10.0.0.9, {PHONE}"], PHONE),
    ("a chain of trusted proxies", "x-forwarded-for", [f"{PHONE}, 10.0.0.3, 10.0.0.2"], PHONE),
    ("several header lines are one list", "x-forwarded-for", ["198.51.100.66", f"{PHONE}, 10.0.0.2"], PHONE),
    ("spoofed in a line of its own", "x-forwarded-for", ["198.51.100.66", PHONE], PHONE),
    ("every hop is trusted", "x-forwarded-for", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ("no header", "x-forwarded-for", [], PROXY),
    ("an empty header", "x-forwarded-for", [""], PROXY),
    ("garbage", "x-forwarded-for", ["<script>"], PROXY),
    ("garbage behind a trusted hop", "x-forwarded-for", [f"{PHONE}, nonsense, 10.0.0.2"], "10.0.0.2"),
    ("unknown", "x-forwarded-for", ["unknown"], PROXY),
    ("with a port", "x-forwarded-for", [f"{PHONE}:51234"], PHONE),
    ("IPv6", "x-forwarded-for", ["2001:db8:1::9"], "2001:db8:1::9"),
    ("IPv6 in brackets with a port", "x-forwarded-for", ["[2001:db8:1::9]:443"], "2001:db8:1::9"),
    ("IPv6 written at length", "x-forwarded-for", ["2001:0DB8:0001:0000:0000:0000:0000:0009"], "2001:db8:1::9"),
    ("IPv6 with a zone", "x-forwarded-for", ["fe80::9%eth0"], "fe80::9"),
    ("IPv4 inside IPv6", "x-forwarded-for", [f"::ffff:{PHONE}"], PHONE),
    ("trusted IPv4 inside IPv6", "x-forwarded-for", [f"{PHONE}, ::ffff:10.0.0.2"], PHONE),
    ("x-real-ip", "x-real-ip", [PHONE], PHONE),
    ("cf-connecting-ip, IPv6", "cf-connecting-ip", ["2001:db8:1::9"], "2001:db8:1::9"),
    ("forwarded", "forwarded", [f"for={PHONE}"], PHONE),
    ("forwarded, capitals and other parameters", "forwarded", [f"proto=https;For={PHONE};by={PROXY}"], PHONE),
    ("forwarded, quoted with a port", "forwarded", [f'for="{PHONE}:4711"'], PHONE),
    ("forwarded, quoted IPv6", "forwarded", ['for="[2001:db8:1::9]"'], "2001:db8:1::9"),
    ("forwarded, quoted IPv6 with a port", "forwarded", ['For="[2001:db8:1::9]:4711"'], "2001:db8:1::9"),
    ("forwarded, a spoofed left part", "forwarded", [f"for=198.51.100.66, for={PHONE}"], PHONE),
    ("forwarded, two lines", "forwarded", ["for=198.51.100.66", f"for={PHONE}, for=10.0.0.2"], PHONE),
    ("forwarded, obfuscated", "forwarded", ["for=_hidden"], PROXY),
    ("forwarded, unknown behind a trusted hop", "forwarded", [f"for={PHONE}, for=unknown, for=10.0.0.2"], "10.0.0.2"),
    ("forwarded, no for", "forwarded", ["proto=https"], PROXY),
    ("forwarded, a comma inside quotes", "forwarded", [f'host="a, for=198.51.100.66";for={PHONE}'], PHONE),
    ("forwarded, a semicolon inside quotes", "forwarded", [f'host="a;for=198.51.100.66";for={PHONE}'], PHONE),
    ("forwarded, an open quote on the left", "forwarded", [f'for="198.51.100.66, for={PHONE}'], PHONE),
    ("forwarded, an escaped quote", "forwarded", [f'host="a\\", for=198.51.100.66";for={PHONE}'], PHONE),
]


@pytest.mark.parametrize(("header", "lines", "address"), [w[1:] for w in WALKS], ids=[w[0] for w in WALKS])
def test_client_address_behind_a_trusted_proxy(header: str, lines: list[str], address: str) -> None:
    assert client_address(PROXY, lines, ProxyTrust(TRUSTED, header)).address == address


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("198.51.100.7", TRUSTED), ("198.51.100.7", ()), (PROXY, ()), ("", TRUSTED), ("2001:db8:1::1", TRUSTED)],
    ids=["another peer", "no trust at all", "a private peer without trust", "a peer without address", "IPv6 peer"],
)
def test_a_peer_that_is_not_trusted_names_nobody(peer: str, trusted: tuple[()]) -> None:
    found = client_address(peer, [PHONE], ProxyTrust(trusted, "x-forwarded-for"))
    assert found.address == peer
    assert "connection itself" in found.why


@pytest.mark.parametrize("peer", ["2001:db8:ffff::1", "::ffff:10.0.0.1"])
def test_trusted_peers_in_ipv6_spelling(peer: str) -> None:
    assert client_address(peer, [PHONE], ProxyTrust(TRUSTED, "x-forwarded-for")).address == PHONE


def test_a_cidr_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="not-a-network"):
        networks_from(["10.0.0.0/8", "not-a-network"])


@given(st.lists(st.text(), max_size=3), st.text(), st.sampled_from(["x-forwarded-for", "forwarded", "x-real-ip"]))
def test_whatever_the_header_holds_there_is_an_address(lines: list[str], peer: str, header: str) -> None:
    """Never an exception, never anything but the peer or a well-formed address."""
    for asking in (peer, PROXY):
        found = client_address(asking, lines, ProxyTrust(TRUSTED, header))
        assert found.address == asking or ip_address(found.address)
        assert found.why


@given(st.lists(st.one_of(st.ip_addresses(), st.text(max_size=20)), max_size=5), st.ip_addresses())
def test_what_stands_left_of_an_untrusted_hop_changes_nothing(
    spoofed: list[IPv4Address | IPv6Address | str], client: IPv4Address | IPv6Address
) -> None:
    trust = ProxyTrust(TRUSTED, "x-forwarded-for")
    honest = client_address(PROXY, [str(client)], trust).address
    if not any(ip_address(honest) in network for network in TRUSTED):
        left = ", ".join(str(part) for part in spoofed)
        assert client_address(PROXY, [f"{left}, {client}"], trust).address == honest
        assert client_address(PROXY, [left, str(client)], trust).address == honest


CUTS = [
    ("203.0.113.9", "203.0.113.0/24"),
    ("255.255.255.255", "255.255.255.0/24"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
    ("2001:db8::9", "2001:db8::/48"),
    ("::1", "::/48"),
    ("fe80::1%eth0", "fe80::/48"),
    ("::ffff:203.0.113.9", "203.0.113.0/24"),
    ("::ffff:cb00:7109", "203.0.113.0/24"),
    ("2002:cb00:7109::1", "203.0.113.0/24"),
    ("", ""),
    ("testclient", ""),
    ("203.0.113", ""),
    ("2001:db8::zz", ""),
]


@pytest.mark.parametrize(("address", "cut"), CUTS)
def test_cut_address(address: str, cut: str) -> None:
    assert cut_address(address) == cut


@given(st.ip_addresses())
@example(IPv6Address("2002:cb00:7109::1"))
@example(IPv6Address("::ffff:203.0.113.9"))
def test_a_cut_address_has_no_host_part(address: IPv4Address | IPv6Address) -> None:
    network = ip_network(cut_address(str(address)))  # strict: refuses host bits
    assert network.prefixlen == (24 if network.version == 4 else 48)
    if network.version == address.version:
        assert address in network


@pytest.mark.parametrize("whole", ["203.0.113.9", "2001:db8:1:2::9", "::ffff:203.0.113.9", ""])
def test_an_address_is_cut_once_whether_it_was_written_whole_or_cut(whole: str) -> None:
    assert prefix_of(whole) == cut_address(whole) == prefix_of(prefix_of(whole))


@given(st.text())
def test_cutting_what_is_no_address_never_raises(text: str) -> None:
    assert isinstance(cut_address(text), str)


UNCOUNTED: list[tuple[str, str, dict[str, str], str | None]] = [
    ("a scan", "GET", {}, None),
    ("HEAD", "HEAD", {}, "head"),
    ("HEAD of a prefetcher", "HEAD", {"sec-purpose": "prefetch"}, "head"),
    ("Chrome's prefetch", "GET", {"sec-purpose": "prefetch"}, "prefetch"),
    ("Chrome's prerender", "GET", {"sec-purpose": "prefetch;prerender"}, "prefetch"),
    ("through Chrome's private proxy", "GET", {"sec-purpose": "prefetch;anonymous-client-ip"}, "prefetch"),
    ("capitals", "GET", {"sec-purpose": "Prefetch"}, "prefetch"),
    ("Purpose: prefetch", "GET", {"purpose": "prefetch"}, "prefetch"),
    ("Safari's preview", "GET", {"purpose": "preview"}, "prefetch"),
    ("X-Purpose: preview", "GET", {"x-purpose": "preview"}, "prefetch"),
    ("old Firefox", "GET", {"x-moz": "prefetch"}, "prefetch"),
    ("another purpose", "GET", {"purpose": "navigation", "sec-purpose": ""}, None),
    ("another header", "GET", {"x-note": "prefetch"}, None),
]


@pytest.mark.parametrize(("method", "headers", "reason"), [c[1:] for c in UNCOUNTED], ids=[c[0] for c in UNCOUNTED])
def test_uncounted_reason(method: str, headers: dict[str, str], reason: str | None) -> None:
    assert uncounted_reason(method, headers) == reason


PLATFORM_WORDS = ["iPad", "iPhone", "Android", "Windows", "Macintosh", "CrOS", "Linux", "Mobile", ""]
GPC_OUTPUTS = {
    "",
    "Mozilla/5.0",
    *(
        platform + mobile
        for mobile in ("", " Mobile")
        for platform in (
            "Mozilla/5.0 (iPad; CPU OS)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS)",
            "Mozilla/5.0 (Linux; Android)",
            "Mozilla/5.0 (Windows NT 10.0)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X)",
            "Mozilla/5.0 (X11; CrOS x86_64)",
            "Mozilla/5.0 (X11; Linux x86_64)",
        )
    ),
}


@given(st.text(), st.sampled_from(PLATFORM_WORDS), st.text())
@example("Mozilla/5.0 (Linux; ", "Android", " 14; SM-S928B/DS) Mobile secret-serial-4711")
def test_with_gpc_a_user_agent_becomes_one_of_few_phrases(before: str, word: str, after: str) -> None:
    assert trimmed_agent(before + word + after, gpc=True) in GPC_OUTPUTS


def test_gpc_keeps_the_platform() -> None:
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
    assert trimmed_agent(iphone, gpc=True) == "Mozilla/5.0 (iPhone; CPU iPhone OS) Mobile"
    assert trimmed_agent("curl/8.5.0", gpc=True) == "Mozilla/5.0"
    assert trimmed_agent("  ", gpc=True) == ""


@given(st.text(max_size=2 * MAX_AGENT))
def test_without_gpc_a_user_agent_is_only_shortened(text: str) -> None:
    assert trimmed_agent(text, gpc=False) == text[:MAX_AGENT]


REFERRERS = [
    ("https://news.example/a/b?user=7#top", "https://news.example/a/b"),
    ("https://anna:secret@news.example/a", "https://news.example/a"),
    ("https://News.Example:8443/A", "https://news.example:8443/A"),
    ("http://[2001:db8::9]:8080/x?y", "http://[2001:db8::9]:8080/x"),
    ("http://[2001:db8::9]/x", "http://[2001:db8::9]/x"),
    ("android-app://com.example.app/", "android-app://com.example.app/"),
    ("https://news.example", "https://news.example"),
    ("", ""),
    ("about:client", ""),
    ("javascript:alert(1)", ""),
    ("file:///home/anna/letter.html", ""),
    ("/relative", ""),
    ("https://news.example:notaport/x", ""),
    ("http://[half/x", ""),
    ("https:///path", ""),
    ("https://w.example/j/0123456789abcdef/photo.jpg", "https://w.example/j/"),
]


@pytest.mark.parametrize(("referrer", "kept"), REFERRERS)
def test_trimmed_referrer(referrer: str, kept: str) -> None:
    assert trimmed_referrer(referrer) == kept


@given(st.text(), st.text(st.characters(exclude_characters="/?#@\\[]"), min_size=1))
def test_a_referrer_keeps_no_query_no_fragment_no_credentials(text: str, secret: str) -> None:
    marked = f"s3cr3t{secret}"
    for referrer in (
        text,
        f"https://u:{marked}@h.example/p",
        f"https://h.example/p?{marked}",
        f"https://h.example/#{marked}",
    ):
        kept = trimmed_referrer(referrer)
        assert len(kept) <= MAX_REFERRER
        assert "?" not in kept
        assert "#" not in kept
        assert "@" not in kept.partition("://")[2].partition("/")[0]
        assert "s3cr3t" not in kept or "s3cr3t" in text


QUERIES = [
    ("utm_source=poster&utm_medium=qr", {"utm_source": "poster", "utm_medium": "qr"}),
    ("UTM_Source=Poster", {"utm_source": "Poster"}),
    ("utm_source=poster&email=anna%40example.com&fbclid=x", {"utm_source": "poster"}),
    ("table=7&seat=3", {"table": "7"}),
    ("Table=7", {}),
    ("utm_source=a&utm_source=b", {"utm_source": "a"}),
    ("utm_source=", {}),
    ("utm_source=caf%C3%A9+am+Eck", {"utm_source": "café am Eck"}),
    ("utm_source=%ff", {"utm_source": "\ufffd"}),
    ("&&=&utm_x", {}),
    ("", {}),
]


@pytest.mark.parametrize(("query", "kept"), QUERIES)
def test_kept_query(query: str, kept: dict[str, str]) -> None:
    assert kept_query(query, frozenset({"table"})) == kept


def test_a_kept_query_is_bounded() -> None:
    many = "&".join(f"utm_{number}={'x' * 1000}" for number in range(100))
    kept = kept_query(many, frozenset())
    assert 0 < len(kept) <= MAX_PAIRS
    assert all(len(value) <= MAX_VALUE for value in kept.values())
    assert all(len(name) <= 60 for name in kept_query(f"utm_{'n' * 500}=1", frozenset()))


@given(st.text(), st.frozensets(st.sampled_from(["table", "seat"])))
def test_only_utm_and_configured_keys_are_ever_kept(query: str, keys: frozenset[str]) -> None:
    for text in (query, f"utm_{query}", f"utm_a={query}&table=1&seat=2&other=3"):
        kept = kept_query(text, keys)
        assert all(name.startswith("utm_") or name in keys for name in kept)
        assert "other" not in kept


LANGUAGES = [
    ("de-DE,de;q=0.9,en;q=0.8", "de-de"),
    ("fr", "fr"),
    ("zh-Hant-TW;q=0.5", "zh-hant-tw"),
    (" es ;q=1", "es"),
    ("*", ""),
    ("", ""),
    ("en_US", ""),
    ("<script>", ""),
]


@pytest.mark.parametrize(("header", "language"), LANGUAGES)
def test_first_language(header: str, language: str) -> None:
    assert first_language(header) == language


@given(st.text())
def test_a_language_is_a_tag_or_nothing(header: str) -> None:
    found = first_language(header)
    assert found == "" or (found.isascii() and len(found) <= 21 and found == found.lower())
