"""Where codes may point: every accepted form with its one spelling, every refused one with its reason."""
# ruff: noqa: RUF001  look-alike and full-width letters are the cases

import string
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codes.destinations import MAX_BYTES, DestinationError, DestinationPolicy, check_destination
from codes.hosts import is_public_address
from codes.schemes import FORBIDDEN_SCHEMES

OWN_HOSTS = frozenset({"w.example", "qr.münchen.example", "127.0.0.1:8080", "localhost:8080", "[2001:db8::5]"})
OPEN = DestinationPolicy(OWN_HOSTS, frozenset({"whatsapp", "spotify", "com.example.app", "javascript", "intent"}))
STRICT = DestinationPolicy(OWN_HOSTS, frozenset(), block_private=True)

KEPT = [
    # Real-world pages, byte for byte.
    "https://example.com",
    "https://example.com/",
    "https://example.com?x=1",
    "https://example.com#top",
    "http://example.com/a/b/../c//d/./e",
    "https://www.example.com/path;v=1/page.html?a=1&b=2&&c#frag/with?marks",
    "https://www.google.com/maps/place/Brandenburger+Tor/@52.5162746,13.3777041,17z/data=!3m1!4b1!4m6!3m5",
    "https://maps.app.goo.gl/AbCdEf123456",
    "https://www.google.com/maps/search/?api=1&query=47.5951518,-122.3316393",
    "https://apps.apple.com/de/app/example/id310633997?mt=8",
    "https://play.google.com/store/apps/details?id=com.example.app&referrer=utm_source%3Dposter%26utm_medium%3Dqr",
    "https://wa.me/4915112345678?text=Hello%20there%21",
    "https://www.youtube.com/@example/videos",
    "https://t.me/+AbCdEf",
    "https://medium.com/@someone/a-story-123?source=friends",
    "https://example.com/?utm_source={source}&utm_medium={medium}&utm_campaign={{campaign}}",
    "https://example.com/?filter[]=a&filter[b]=c|d^e'f",
    "https://example.com/?json=%7B%22a%22%3A%5B1%2C2%5D%7D",
    "https://example.com/?email=a@b.example&next=https://other.example/x?y=z",
    "https://example.com/?next=javascript:alert(1)",
    "https://example.com/a%0D%0Ab?c=%0d%0aSet-Cookie:x",
    "https://example.com/%00%2F%5C%40",
    "https://example.com/!$&'()*+,;=:@~._-",
    "https://de.wikipedia.org/wiki/K%C3%B6ln",
    "https://example.com/#!/shop/42#again",
    "https://example.com/" + "x" * (MAX_BYTES - 20),
    # Hosts.
    "https://sub-domain.example.co.uk/",
    "https://my_shop.example.com/",
    "https://r3---sn-abc.example.com/",
    "https://123.example/",
    "https://1e100.net/",
    "https://0x7f.example/",
    "https://xn--mnchen-3ya.de/",
    "https://example.xn--p1ai/",
    "http://example.com:443/",
    "https://example.com:80/",
    "https://example.com:8443/x",
    "http://93.184.216.34/x",
    "http://[2606:2800:220:1:248:1893:25c8:1946]:8080/x",
    "https://www.w.example/",
    "https://w.example.com/",
    # Other harmless schemes.
    "mailto:shop@example.com",
    "mailto:a.b+c@example.com,d@example.org?subject=Hello%20there&body=Line%201%0D%0ALine%202&cc=e@example.net",
    "mailto:?subject=Look&body=https://example.com/",
    "tel:+4930123456",
    "tel:+49-30-123.456",
    "tel:(030)123456",
    "tel:112",
    "tel:+1-555-0100;ext=42",
    "sms:+4930123456",
    "sms:12345?body=JOIN%20now",
    "sms:+4930123456,+4930123457?body=Hello",
    "sms:?body=Hello",
    "geo:52.5163,13.3777",
    "geo:-33.86,151.21,30;crs=wgs84;u=10",
    "geo:0,0?q=Brandenburg+Gate&z=16",
    # Listed apps.
    "whatsapp://send?phone=4915112345678&text=Hi",
    "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
    "com.example.app://page/1",
]

NORMALISED = [
    ("scheme and host in capitals", "HTTPS://EXAMPLE.COM/Path?Q=A", "https://example.com/Path?Q=A"),
    ("spaces around", "  https://example.com/ ", "https://example.com/"),
    ("default port of http", "http://example.com:80/x", "http://example.com/x"),
    ("default port of https", "https://example.com:443", "https://example.com"),
    ("default port with zeros", "https://example.com:0443/", "https://example.com/"),
    ("port with zeros", "https://example.com:08080/", "https://example.com:8080/"),
    ("empty port", "https://example.com:/x", "https://example.com/x"),
    ("final dot", "https://example.com./x", "https://example.com/x"),
    ("IPv6 in its shortest form", "http://[2001:0DB8:0:0::0001]:8080/", "http://[2001:db8::1]:8080/"),
    ("German name", "https://münchen.de/", "https://xn--mnchen-3ya.de/"),
    ("German name in capitals", "https://MÜNCHEN.DE/", "https://xn--mnchen-3ya.de/"),
    ("accented name", "https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("sharp s is kept as browsers do", "https://faß.de/", "https://xn--fa-hia.de/"),
    ("Russian name under its own domain", "https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
    ("Russian twins under its own domain", "https://сор.рф/", "https://xn--n1aeb.xn--p1ai/"),
    ("Russian word under an ASCII domain", "https://пример.com/", "https://xn--e1afmkfd.com/"),
    ("Greek word under an ASCII domain", "https://παράδειγμα.gr/", "https://xn--hxajbheg2az3al.gr/"),
    ("Japanese name", "https://例え.jp/", "https://xn--r8jz45g.jp/"),
    ("Japanese with Latin letters", "https://qrコード例.jp/", "https://xn--qr-yh4atdxll09n.jp/"),
    ("Chinese name", "https://例子.中国/", "https://xn--fsqu00a.xn--fiqs8s/"),
    ("Korean name", "https://한국.kr/", "https://xn--3e0b707e.kr/"),
    ("Arabic name", "https://مثال.com/", "https://xn--mgbh0fb.com/"),
    ("Hebrew name", "https://דוגמה.com/", "https://xn--6dbbec0c.com/"),
    ("Hindi name", "https://उदाहरण.भारत/", "https://xn--p1b6ci4b4b3a.xn--h2brj9c/"),
    ("Thai name", "https://ตัวอย่าง.com/", "https://xn--72c1a1bt4awk9o.com/"),
    ("Vietnamese name", "https://điện-thoại.vn/", "https://xn--in-thoi-f7a2329dyka.vn/"),
    ("Turkish name", "https://ısı.com.tr/", "https://xn--s-ekab.com.tr/"),
    ("full-width letters", "https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
    ("ideographic full stop", "https://例え。jp/", "https://xn--r8jz45g.jp/"),
    ("soft hyphen in the host", "https://exam\u00adple.com/", "https://example.com/"),
    ("punycode in capitals", "https://XN--MNCHEN-3YA.de/", "https://xn--mnchen-3ya.de/"),
    ("space in the path", "https://example.com/a b?c d#e f", "https://example.com/a%20b?c%20d#e%20f"),
    (
        "letters in the path",
        "https://example.com/Köln?q=größe#ß",
        "https://example.com/K%C3%B6ln?q=gr%C3%B6%C3%9Fe#%C3%9F",
    ),
    ("emoji in the path", "https://example.com/🎉", "https://example.com/%F0%9F%8E%89"),
    ("stray percent signs", "https://example.com/100%?a=5%zz%41", "https://example.com/100%25?a=5%25zz%41"),
    ("quotes and angle brackets", 'https://example.com/"<a>`', "https://example.com/%22%3Ca%3E%60"),
    ("backslash in the path", "https://example.com/a\\b", "https://example.com/a%5Cb"),
    ("full-width slash in the path", "https://example.com/a／b", "https://example.com/a%EF%BC%8Fb"),
    (
        "mail with a space and capitals",
        "MAILTO:Shop@Example.COM, b@example.org",
        "mailto:Shop@example.com,b@example.org",
    ),
    ("mail to an international domain", "mailto:info@bücher.example", "mailto:info@xn--bcher-kva.example"),
    ("mail to an international person", "mailto:jörg@example.com", "mailto:j%C3%B6rg@example.com"),
    ("mail text with a hash", "mailto:a@example.com?body=No #1", "mailto:a@example.com?body=No%20%231"),
    ("phone with spaces", "TEL:+49 30 123 456", "tel:+4930123456"),
    ("phone with encoded spaces", "tel:+49%2030%20123456", "tel:+4930123456"),
    ("message with umlauts", "sms:+49 30 123456?body=Grüße", "sms:+4930123456?body=Gr%C3%BC%C3%9Fe"),
    ("messages with a semicolon", "sms:+4930123456;+4930123457", "sms:+4930123456,+4930123457"),
    ("place with a name", "geo:0,0?q=Café Central", "geo:0,0?q=Caf%C3%A9%20Central"),
    ("app scheme in capitals", "WhatsApp://send?text=ä b", "whatsapp://send?text=%C3%A4%20b"),
]

REFUSED = {
    "empty": ["", " ", "    "],
    "length": ["https://example.com/" + "x" * MAX_BYTES, "https://example.com/" + "ä" * 1000, "x" * 1_000_000],
    "control": [
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/a\nb",
        "https://example.com\n",
        "\thttps://example.com/",
        "https://exa\tmple.com/",
        "https://example.com/\x00",
        "https://example.com/\x7f",
        "https://example.com/\x85",
        "https://example.com/\u2028x",
        "https://example.com/\u202etxt.exe",
        "\ufeffhttps://example.com/",
        "https://example.com/\ud800",
        "https://example.com%0d%0a.evil.example/",
        "https://example.com%00.evil.example/",
        "https://example.com%2509/",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "mailto:a@example.com%0d%0aBcc:b@example.org",
        "mailto:a@example.com?subject=x%0aBcc:b@example.org",
        "mailto:a@example.com?body=x%00",
        "sms:+4930123456?body=%1b",
        "tel:+49\n30123456",
    ],
    "scheme": [
        "example.com/page",
        "//example.com/page",
        "example",
        "/page",
        "?x",
        "https:example.com",
        "https:/example.com",
        "https:\\\\example.com",
        "https//example.com",
        "example.com:8080/page",
        "localhost:8080/page",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "  javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "javascript&colon;alert(1)",
        "javascript&#58;alert(1)",
        "&#106;avascript:alert(1)",
        "&#x6A;avascript:alert(1)",
        "%6aavascript:alert(1)",
        "javascript%3Aalert(1)",
        "java%0ascript:alert(1)",
        "ｊａｖａｓｃｒｉｐｔ:alert(1)",
        "javascript：alert(1)",
        "\u00a0javascript:alert(1)",
        "java\u200bscript:alert(1)",
        "java\u00adscript:alert(1)",
        "vbscript:msgbox(1)",
        "livescript:x",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html;base64,PHNjcmlwdD4=",
        "file:///etc/passwd",
        "file://server/share",
        "blob:https://example.com/1234",
        "about:blank",
        "view-source:https://example.com/",
        "filesystem:https://example.com/temporary/x",
        "intent://scan/#Intent;scheme=zxing;end",
        "android-app://com.example/https/example.com",
        "content://contacts/people",
        "chrome://settings",
        "ms-msdt:/id x",
        "search-ms:query=x",
        "itms-services://?action=download-manifest&url=https://evil.example/x.plist",
        "callto:*#06#",
        "telprompt:*#06#",
        "ftp://example.com/",
        "ws://example.com/",
        "unlisted://page",
        "httpss://example.com/",
        "h\u0442tps://example.com/",  # a Cyrillic t
        "://example.com",
        ":alert(1)",
        "whatsapp:javascript:alert(1)",
        "whatsapp://%6aavascript:alert(1)",
        "spotify:java%0ascript:alert(1)",
    ],
    "credentials": [
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://good.example@evil.example/",
        "https://good.example%40evil.example/",
        "https://good.example%2540evil.example/",
        "https://good.example\\@evil.example",
        "https://good.example:443@evil.example:443/",
        "https://good.example＠evil.example/",
        "https://a@b@c.example/",
        "https://user@w.example/ABC",
        "https://[::1]@evil.example/",
        "whatsapp://user@send",
        "whatsapp://user%40send",
    ],
    "host": [
        "https://",
        "https:///path",
        "https://?x",
        "https://#x",
        "https://:8080/",
        "https://.",
        "https://..",
        "https://example..com/",
        "https://.example.com/",
        "https://example.com../",
        "https://-example.com/",
        "https://example-.com/",
        "https://exa mple.com/",
        "https://exa%6dple.com/",
        "https://example.com%2fevil.example/",
        "https://good.example\\evil.example/",
        "https://exam<ple>.com/",
        "https://example.com,evil.example/",
        "https://$HOST/",
        "https://{host}/",
        "https://i❤.example/",
        "https://example.com／evil.example/",
        "https://℀.example/",
        "https://xn--a.example/",
        "https://xn--abc-.example/",
        "https://xn--.example/",
        "https://" + "x" * 64 + ".example/",
        "https://" + "abcdefg." * 32 + "example/",
        "https://" + "ü" * 600 + ".example/",
        "https://" + "ü." * 120 + "example/",
        "https://[::1/",
        "https://abcשלום.com/",
        "https://[]/",
        "https://[::g]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://[1.2.3.4]/",
        "mailto:a@exa..mple.com",
    ],
    "port": [
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:99999999999/",
        "https://example.com:80:80/",
        "https://example.com:-1/",
        "https://example.com:８０/",
        "https://example.com:http/",
        "https://2001:db8::1/",
        "http://[2001:db8::1]:x/",
    ],
    "numeric": [
        "http://2130706433/",
        "http://0/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0x7F.0.0.0x1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://example.123/",
        "http://example.0x/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://93.184.216.034/",
    ],
    "loop": [
        "https://w.example/ABC",
        "http://w.example",
        "https://W.EXAMPLE/",
        "https://w.example./",
        "https://w.example:8443/",
        "http://w.example:443/",
        "https://ｗ.example/",
        "https://w。example/",
        "https://w.ex\u00adample/",
        "https://qr.münchen.example/",
        "https://qr.xn--mnchen-3ya.example/",
        "https://QR.MÜNCHEN.example/",
        "http://127.0.0.1:8080/ABC",
        "http://localhost:8080/ABC",
        "http://[2001:db8:0::5]/x",
    ],
    "lookalike": [
        "https://аррӏе.com/",
        "https://xn--80ak6aa92e.com/",
        "https://раураӏ.com/",
        "https://www.раураӏ.com/",
        "https://о.com/",
        "https://ѕсоре.org/",
        "https://аррӏе-1.com/",
        "https://pаypal.com/",
        "https://xn--pypal-4ve.com/",
        "https://gооgle.com/",
        "https://pаypal.рф/",
        "https://νοκια.com/",
        "https://gοοgle.com/",
        "https://αррle.com/",
        "https://օո.com/",
        "https://ɡoogle.com/",
        "https://paʏpal.com/",
        "https://ᎪᏢᏢ.com/",
        "https://ꓑꓬ.com/",
        "https://ⲟⲣⲁ.com/",
        "https://g००gle.com/",
        "https://example.comノpath.evil.jp/",
        "https://exampleー1.com/",
        "https://abcไทย.com/",
        "mailto:a@аррӏе.com",
    ],
    "ussd": [
        "tel:*100#",
        "tel:*%2306%23",
        "tel:%2A%2306%23",
        "tel:*2767*3855%23",
        "tel:%252306",
        "tel:＊100＃",
        "tel:+49*30",
        "TEL:**21*0123456#",
        "tel:112;ext=*1",
        "sms:*100%23",
        "sms:+4930123456,*1",
    ],
    "form": [
        "tel:",
        "tel:1",
        "tel:+",
        "tel:()",
        "tel://+4930123456",
        "tel:1-800-FLOWERS",
        "tel:0123456,,1234",
        "tel:0123456p1234",
        "tel:0123456w1234",
        "tel:0123456;postd=1234",
        "tel:0123456;phone-context=+49",
        "tel:+1234567890123456",
        "tel:++49",
        "tel:+٤٩٣٠١٢٣٤٥٦",
        "sms:",
        "sms:hello",
        "sms:+4930123456?text=Hello",
        "sms:+4930123456?body",
        "sms:+4930123456&body=Hello",
        "mailto:",
        "mailto:nobody",
        "mailto:@example.com",
        "mailto:a@localhost",
        "mailto://a@example.com",
        "mailto:a@example.com?attach=/etc/passwd",
        "mailto:a@example.com?subject",
        "mailto:a@example.com?subject=x&amp;body=y",
        "mailto:a@example.com?cc=nobody",
        "mailto:a@example.com?body=x&BODY=y",
        "mailto:" + ",".join(["a@example.com"] * 11),
        "sms:" + ",".join(["+4930123456"] * 11),
        "mailto:<a@example.com>",
        "mailto:%ff@example.com",
        "geo:",
        "geo:here",
        "geo:91,0",
        "geo:0,181",
        "geo:1,2,3,4",
        "geo:1.0.0,2",
        "geo:1,2?javascript=x",
        "whatsapp:",
        "whatsapp://",
        "whatsapp://[x",
    ],
}

PRIVATE = [
    "http://localhost/",
    "http://localhost:3000/",
    "http://LOCALHOST./",
    "http://app.localhost/",
    "http://printer/",
    "http://nas.local/",
    "http://metadata.google.internal/",
    "http://router.lan/",
    "http://fritz.home.arpa/",
    "http://wiki.corp/",
    "http://127.0.0.1:9000/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::1]/",
    "http://127.0.0.1.nip.io/",
    "http://localtest.me/",
]

PUBLIC = [
    "http://93.184.216.34/",
    "http://172.32.0.1/",
    "http://100.128.0.1/",
    "http://192.169.0.1/",
    "http://[2606:2800:220:1::1]/",
    "http://[2002:5db8:d822::1]/",
    "http://[64:ff9b::5db8:d822]/",
    "https://local.example/",
    "https://localhost.example/",
    "https://internal.example.com/",
]

MESSAGES = [
    ("example.com/page", "https://example.com/page"),
    ("example.com:8080/page", "https://example.com:8080/page"),
    ("//example.com/page", "https://example.com/page"),
    ("https:/example.com/page", "https://example.com/page"),
    ("https//example.com/page", "https://example.com/page"),
    ("httpbin.example/page", "https://httpbin.example/page"),
    ("BÜCHER.example", "https://xn--bcher-kva.example"),
    ("shop@example.com", "mailto:shop@example.com"),
    ("+49 30 123456", "tel:+4930123456"),
    ("https://exam ple.com/", "exam ple.com"),
    ("https://аррӏе.com/", "'apple'"),
    ("http://0x7f.1/", "0x7f.1"),
    ("https://w.example/ABC", "w.example"),
    ("unlisted://page", "app_schemes"),
    ("https://example.com/\u202ex", "U+202E, position 21"),
    ("javascript:alert(1)", "never allowed"),
]

NO_SUGGESTION = ["javascript&colon;alert(1)", "&#106;avascript:alert(1)", "hello", "user@a@b", "w.example/ABC", "127.1"]


def refusal(text: str, policy: DestinationPolicy) -> DestinationError:
    with pytest.raises(DestinationError) as refused:
        check_destination(text, policy)
    return refused.value


@pytest.mark.parametrize("text", KEPT)
def test_kept_as_it_is(text: str) -> None:
    assert check_destination(text, OPEN) == text


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in NORMALISED], ids=[row[0] for row in NORMALISED])
def test_normalised(text: str, expected: str) -> None:
    assert check_destination(text, OPEN) == expected
    assert check_destination(expected, OPEN) == expected


@pytest.mark.parametrize(
    ("reason", "text"),
    [(reason, text) for reason, texts in REFUSED.items() for text in texts],
    ids=lambda item: item[:50],
)
def test_refused(reason: str, text: str) -> None:
    refused = refusal(text, OPEN)
    assert refused.reason == reason
    assert refused.message == str(refused)
    assert 40 < len(refused.message) < 700


@pytest.mark.parametrize("text", PRIVATE)
def test_private_hosts_are_refused_only_where_the_policy_says_so(text: str) -> None:
    assert refusal(text, STRICT).reason == "private"
    assert check_destination(text, OPEN).startswith("http://")


@pytest.mark.parametrize("text", PUBLIC)
def test_public_hosts_next_to_private_ones_pass(text: str) -> None:
    assert check_destination(text, STRICT) == text


@pytest.mark.parametrize("scheme", sorted(FORBIDDEN_SCHEMES))
def test_no_list_opens_a_forbidden_scheme(scheme: str) -> None:
    policy = DestinationPolicy(frozenset(), frozenset({scheme, "app"}))
    assert refusal(f"{scheme}://page", policy).reason == "scheme"
    assert refusal(f"app:{scheme}:page", policy).reason == "scheme"


def test_apps_need_to_be_listed() -> None:
    assert refusal("whatsapp://send?text=Hi", STRICT).reason == "scheme"


def test_another_port_of_an_own_address_is_another_program_but_a_domain_is_ours_on_every_port() -> None:
    assert check_destination("http://127.0.0.1:9000/", OPEN) == "http://127.0.0.1:9000/"
    assert check_destination("http://localhost:9000/", OPEN) == "http://localhost:9000/"
    policy = DestinationPolicy(frozenset({"w.example:8443"}))
    assert refusal("https://w.example/", policy).reason == "loop"


@pytest.mark.parametrize("own", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "a.localhost"])
def test_this_machine_is_the_same_under_each_of_its_names(own: str, host: str) -> None:
    policy = DestinationPolicy(frozenset({own}))
    assert refusal(f"http://{host}:8080/x", policy).reason == "loop"
    assert check_destination(f"http://{host}:9000/x", policy).endswith(":9000/x")


def test_an_own_host_that_is_no_host_does_not_stop_the_others() -> None:
    policy = DestinationPolicy(frozenset({"not a host", "w.example"}))
    assert refusal("https://w.example/", policy).reason == "loop"
    assert check_destination("https://example.com/", policy) == "https://example.com/"


@pytest.mark.parametrize(("text", "part"), MESSAGES)
def test_messages_say_what_to_do(text: str, part: str) -> None:
    assert part in refusal(text, OPEN).message


@pytest.mark.parametrize("text", NO_SUGGESTION)
def test_nothing_doubtful_is_suggested(text: str) -> None:
    assert "Did you mean" not in refusal(text, OPEN).message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("2606:2800:220:1::1", True),
        ("::ffff:8.8.8.8", True),
        ("::ffff:10.0.0.1", False),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),  # Teredo: the client is 10.0.0.1
        ("fd00::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public_address(ip_address(address)) is public


# What people and attackers build addresses from; random characters alone hardly ever get past the scheme.
PIECES = st.sampled_from(
    [
        *"/?#@:\\%;&=.-[]*+ ",
        *(
            "%0d%0a",
            "%40",
            "%23",
            "\n",
            "\t",
            "user",
            "example.com",
            "münchen.de",
            "аррӏе",
            "127.0.0.1",
            "[::1]",
            "0x7f",
        ),
        *(":443", "xn--mnchen-3ya", "w.example", "?body=", "?subject=", "52.5,13.4", "+4930123456", "ａ", "℀"),
    ]
)
BEGINNINGS = st.sampled_from(
    ["", "https://", "HTTP://", "https:", "mailto:", "tel:", "sms:", "geo:", "whatsapp://", "spotify:", "javascript:"]
)
BUILT = st.builds(
    lambda start, parts: start + "".join(parts), BEGINNINGS, st.lists(PIECES | st.text(max_size=3), max_size=8)
)
ALLOWED_SCHEMES = {"http", "https", "mailto", "tel", "sms", "geo", "whatsapp", "spotify", "com.example.app"}
PRINTABLE = set(string.ascii_letters + string.digits + string.punctuation)


@settings(deadline=None)
@given(st.text() | BUILT, st.sampled_from([OPEN, STRICT]))
@example("https://[::ffff:1.2.3.4]/", OPEN)
@example("whatsapp:////[", OPEN)
def test_any_text_is_refused_or_becomes_one_harmless_spelling(text: str, policy: DestinationPolicy) -> None:
    try:
        normalised = check_destination(text, policy)
    except DestinationError:
        return
    parts = urlsplit(normalised)
    assert check_destination(normalised, policy) == normalised
    assert parts.scheme in ALLOWED_SCHEMES
    assert set(normalised) <= PRINTABLE
    assert len(normalised) <= MAX_BYTES
    assert parts.username is None
    assert parts.password is None
    if parts.scheme in ("http", "https"):
        assert parts.hostname
        assert parts.port != 0
