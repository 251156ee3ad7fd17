"""The user agents of the demo data: phones as people carry them now, with their share, and the programs of a bot wave."""

from dataclasses import dataclass
from typing import Final, Literal

Family = Literal["ios", "android", "desktop"]

_IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
_IPHONE = _IOS.format("18_7")
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
_SAFARI = "Version/{} Mobile/15E148 Safari/604.1"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko) "
_ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK}"
_CHROME = "Chrome/{}.0.0.0 Mobile Safari/537.36"
_WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK}"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "


@dataclass(frozen=True, slots=True)
class DemoAgent:
    family: Family
    weight: float
    text: str
    countries: tuple[str, ...] = ()  # only there; everywhere when empty
    source: str = ""  # followed a shared address from there, instead of scanning


def _webview(model: str, android: str, build: str, chrome: int) -> str:
    version = f"Version/4.0 Chrome/{chrome}.0.7444.102 Mobile Safari/537.36"
    return f"Mozilla/5.0 (Linux; Android {android}; {model} Build/{build}; wv) {_BLINK}{version}"


# fmt: off
AGENTS: Final = (
    DemoAgent("ios", 26, _IPHONE + _SAFARI.format("26.1")),
    DemoAgent("ios", 14, _IPHONE + _SAFARI.format("26.0")),
    DemoAgent("ios", 9, _IOS.format("18_6") + _SAFARI.format("26.2")),
    DemoAgent("ios", 9, _IOS.format("18_5") + _SAFARI.format("18.5")),
    DemoAgent("ios", 5, _IOS.format("18_3_2") + _SAFARI.format("18.3.1")),
    DemoAgent("ios", 4, _IOS.format("17_7") + _SAFARI.format("17.7")),
    DemoAgent("ios", 3, _IOS.format("17_5_1") + _SAFARI.format("17.5")),
    DemoAgent("ios", 2, _IOS.format("16_7_10") + _SAFARI.format("16.6.3")),
    DemoAgent("ios", 1, _IOS.format("15_8_3") + _SAFARI.format("15.6.6")),
    DemoAgent("ios", 4, _IPHONE + "CriOS/150.0.7444.77 Mobile/15E148 Safari/604.1"),
    DemoAgent("ios", 2, _IPHONE + "GSA/392.0.822184712 Mobile/15E148 Safari/604.1"),
    DemoAgent("ios", 1, _IPHONE + "FxiOS/150.0 Mobile/15E148 Safari/605.1.15"),
    DemoAgent("ios", 1.5, _IPAD + _SAFARI.format("26.1")),
    DemoAgent("android", 30, _ANDROID + _CHROME.format(150)),
    DemoAgent("android", 14, _ANDROID + _CHROME.format(149)),
    DemoAgent("android", 5, _ANDROID + _CHROME.format(146)),
    DemoAgent("android", 2, _ANDROID + _CHROME.format(131)),
    DemoAgent("android", 13, _ANDROID + "SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36"),
    DemoAgent("android", 5, _ANDROID + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"),
    DemoAgent("android", 2.5, "Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0"),
    DemoAgent("android", 1.5, _ANDROID + "Chrome/149.0.0.0 Mobile Safari/537.36 EdgA/149.0.0.0"),
    DemoAgent("android", 1.5, _ANDROID + "Chrome/147.0.0.0 Mobile Safari/537.36 OPR/93.0.0.0"),
    DemoAgent("android", 2, "Mozilla/5.0 (Linux; U; Android 14; en-us; 23106RN0DA Build/UP1A.231005.007) " + _BLINK
              + "Version/4.0 Chrome/135.0.0.0 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.45.0-gn", ("IN", "ES", "EG", "MX")),
    DemoAgent("android", 0.7, "Mozilla/5.0 (Linux; Android 13; SM-X200) " + _BLINK + "Chrome/150.0.0.0 Safari/537.36"),
    DemoAgent("ios", 4, _IPHONE + "Mobile/23B85 Instagram 405.1.0.30.72 (iPhone17,1; iOS 26_1; en_GB; en; scale=3.00; "
              "1206x2622; IABMV/1; 822113450)", source="instagram"),
    DemoAgent("ios", 2, _IPHONE + "Mobile/22G86 Instagram 404.0.0.27.74 (iPhone14,5; iOS 18_6; de_DE; de; scale=3.00; "
              "1170x2532; IABMV/1; 818802311)", ("DE", "AT", "CH"), source="instagram"),
    DemoAgent("android", 4, _webview("SM-S931B", "16", "BP2A.250605.031.A3", 150)
              + " Instagram 405.0.0.44.80 Android (36/16; 480dpi; 1080x2340; samsung; SM-S931B; pa1q; qcom; en_US; 821553009)",
              source="instagram"),
    DemoAgent("ios", 2, _IPHONE + "Mobile/23A355 [FBAN/FBIOS;FBAV/536.0.0.38.97;FBBV/820011843;FBDV/iPhone15,4;FBMD/iPhone;"
              "FBSN/iOS;FBSV/26.0.1;FBSS/3;FBCR/;FBID/phone;FBLC/en_US;FBOP/5]", source="facebook"),
    DemoAgent("android", 3, _webview("SM-A556B", "15", "AP3A.240905.015.A2", 149)
              + " [FB_IAB/FB4A;FBAV/536.0.0.46.77;IABMV/1;]", source="facebook"),
    DemoAgent("ios", 1.2, _IPHONE + "Mobile/23B85 musical_ly_42.3.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/en "
              "Region/US BytedanceWebview/d8a21c6", source="tiktok"),
    DemoAgent("android", 1.4, _webview("Pixel 9", "16", "BP3A.250905.014", 150)
              + " trill_420304 JsSdk/1.0 NetType/MOBILE Channel/googleplay AppName/musical_ly ByteLocale/en Region/BR "
              "BytedanceWebview/d8a21c6", source="tiktok"),
    DemoAgent("ios", 0.8, _IPHONE + "Mobile/23B85 Snapchat/13.65.0.41 (iPhone16,2; iOS 26.1; gzip)", source="snapchat"),
    DemoAgent("ios", 0.7, _IPHONE + "Mobile/15E148 Barcelona 405.0.0.21.77 (iPhone16,1; iOS 26_1; en_US; en; scale=3.00; "
              "1179x2556; 820933155)", source="threads"),
    DemoAgent("ios", 1, _IPHONE + "Mobile/15E148 MicroMessenger/8.0.66(0x18004236) NetType/WIFI Language/zh_CN"),
    DemoAgent("android", 1.2, _webview("V2324A", "14", "UP1A.231005.007", 134)
              + " XWEB/1340157 MMWEBSDK/20250904 MicroMessenger/8.0.66.2980(0x28004253) WeChat/arm64 Weixin NetType/4G "
              "Language/zh_CN ABI/arm64"),
    DemoAgent("ios", 14, _IPHONE + "Mobile/15E148 Safari Line/15.18.1", ("JP",)),
    DemoAgent("android", 10, _webview("SO-51E", "15", "71.1.A.2.60", 148) + " Line/15.18.1/IAB", ("JP",)),
    DemoAgent("ios", 12, _IPHONE + "Mobile/15E148 KAKAOTALK/25.9.2 (INAPP)", ("KR",)),
    DemoAgent("android", 12, _webview("SM-S938N", "16", "BP2A.250605.031.A3", 149)
              + " NAVER(inapp; search; 2100; 12.15.2)", ("KR",)),
    DemoAgent("desktop", 1.2, _WINDOWS + "Chrome/150.0.0.0 Safari/537.36", source="newsletter"),
    DemoAgent("desktop", 0.7, _WINDOWS + "Chrome/149.0.0.0 Safari/537.36 Edg/149.0.0.0", source="newsletter"),
    DemoAgent("desktop", 0.8, _MAC + "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
              source="newsletter"),
    DemoAgent("desktop", 0.4, "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", source="blog"),
)

# Addresses from which the wave comes, and who fetches the card under a shared address; (agent, networks).
HOSTING: Final = ("3.80.1+3", "54.144.10+3", "88.198.1+4", "65.108.1+2", "159.65.10+3", "164.90.140+3", "51.68.20+3",
                  "34.72.1+3")
WAVE_AGENTS: Final = (
    (30, "python-requests/2.32.5"),
    (22, "Go-http-client/2.0"),
    (14, "curl/8.14.1"),
    (12, "Scrapy/2.13.3 (+https://scrapy.org)"),
    (9, "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (8, "Mozilla/5.0 (X11; Linux x86_64) " + _BLINK + "HeadlessChrome/149.0.0.0 Safari/537.36"),
    (5, "okhttp/4.12.0"),
)
PREVIEWS: Final = (
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "69.171.249.0/24"),
    ("WhatsApp/2.25.32.78 A", "31.13.127.0/24"),
    ("TelegramBot (like TwitterBot)", "149.154.161.0/24"),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "54.144.11.0/24"),
    ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "34.72.2.0/24"),
)
CRAWLERS: Final = (
    ("Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) " + _BLINK + "Chrome/149.0.7444.59 Mobile Safari/537.36 "
     "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "66.249.66.0/24"),
    ("Mozilla/5.0 " + _BLINK + "(compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/136.0.0.0 Safari/537.36",
     "157.55.39.0/24"),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "3.80.2.0/24"),
    ("Mozilla/5.0 " + _BLINK + "(compatible; GPTBot/1.3; +https://openai.com/gptbot)", "20.42.1.0/24"),
)
# fmt: on
