"""What a user agent says about device, system, browser and app: facts only, the same from both engines."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redirector.agents import MAX_LENGTH, Agent, AgentReader, best_engine

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"


def iphone(rest: str, os: str = "17_5_1") -> str:
    return f"Mozilla/5.0 (iPhone; CPU iPhone OS {os} like Mac OS X) {WEBKIT} {rest}"


def android(comment: str, rest: str = "Chrome/126.0.0.0 Mobile Safari/537.36") -> str:
    return f"Mozilla/5.0 (Linux; Android {comment}) {BLINK} {rest}"


class Case(NamedTuple):
    user_agent: str
    device: str
    os: str | None
    os_version: str | None
    browser: str | None
    browser_version: str | None


CASES = {
    "iPhone": Case(iphone("Version/17.5 Mobile/15E148 Safari/604.1"), "mobile", "iOS", "17.5", "Mobile Safari", "17"),
    "iPhone, system version frozen at 18.6": Case(
        iphone("Version/26.0 Mobile/15E148 Safari/604.1", os="18_6"), "mobile", "iOS", None, "Mobile Safari", "26"
    ),
    "iPhone, system version frozen at 18.7": Case(
        iphone("Version/26.2 Mobile/15E148 Safari/604.1", os="18_7"), "mobile", "iOS", None, "Mobile Safari", "26"
    ),
    "the true version in the app's own comment": Case(
        iphone("Mobile/15E148 Instagram 400.0.0.28 (iPhone17,1; iOS 26_1; de_DE; de; scale=3.00)", os="18_7"),
        "mobile",
        "iOS",
        "26.1",
        "Instagram",
        "400",
    ),
    "iPhone camera or an unknown app": Case(iphone("Mobile/15E148"), "mobile", "iOS", "17.5", "Mobile Safari", None),
    "iPhone with Chrome": Case(
        iphone("CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1"), "mobile", "iOS", "17.5", "Chrome Mobile iOS", "126"
    ),
    "iPad": Case(
        f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {WEBKIT} Version/16.6 Mobile/15E148 Safari/604.1",
        "tablet",
        "iOS",
        "16.6",
        "Mobile Safari",
        "16",
    ),
    "iPad posing as a Mac inside an app": Case(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {WEBKIT} Mobile/15E148 DuckDuckGo/7",
        "tablet",
        "iOS",
        None,
        "DuckDuckGo Mobile",
        "7",
    ),
    "Mac, system version frozen": Case(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.5 Safari/605.1.15",
        "desktop",
        "macOS",
        None,
        "Safari",
        "17",
    ),
    "Mac with Firefox, system version frozen": Case(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
        "desktop",
        "macOS",
        None,
        "Firefox",
        "127",
    ),
    "Mac from before the freeze": Case(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) {WEBKIT} Version/13.1 Safari/605.1.15",
        "desktop",
        "macOS",
        "10.13",
        "Safari",
        "13",
    ),
    "Android with Chrome's frozen system": Case(android("10; K"), "mobile", "Android", None, "Chrome Mobile", "126"),
    "Android 10 that is one": Case(android("10; SM-A505F"), "mobile", "Android", "10", "Chrome Mobile", "126"),
    "Android with Firefox's frozen system": Case(
        "Mozilla/5.0 (Android 10; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
        "mobile",
        "Android",
        None,
        "Firefox Mobile",
        "127",
    ),
    "Android with a Firefox that still counted": Case(
        "Mozilla/5.0 (Android 13; Mobile; rv:109.0) Gecko/115.0 Firefox/115.0",
        "mobile",
        "Android",
        "13",
        "Firefox Mobile",
        "115",
    ),
    "Samsung phone": Case(
        android("14; SAMSUNG SM-S918B", "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"),
        "mobile",
        "Android",
        "14",
        "Samsung Internet",
        "25",
    ),
    "Samsung phone in desktop mode": Case(
        android("13; SM-G998B", "Chrome/126.0.0.0 Safari/537.36"), "mobile", "Android", "13", "Chrome", "126"
    ),
    "Samsung tablet": Case(
        android("13; SM-T870", "Chrome/126.0.0.0 Safari/537.36"), "tablet", "Android", "13", "Chrome", "126"
    ),
    "tablet that says Mobile": Case(android("9; Lenovo TB-X505F"), "tablet", "Android", "9", "Chrome Mobile", "126"),
    "tablet without a model": Case(
        android("10; K", "Chrome/126.0.0.0 Safari/537.36"), "tablet", "Android", None, "Chrome", "126"
    ),
    "Kindle Fire": Case(
        android("9; KFMAWI", "Silk/120.4.1 like Chrome/120.0.6099.210 Safari/537.36"),
        "tablet",
        "Android",
        "9",
        "Amazon Silk",
        "120",
    ),
    "Fire TV": Case(
        android("9; AFTMM", "Silk/120.4.1 like Chrome/120.0.6099.210 Safari/537.36"),
        "tv",
        "Android",
        "9",
        "Amazon Silk",
        "120",
    ),
    "Bravia": Case(
        android("12; BRAVIA 4K VH2", "Chrome/109.0.0.0 Safari/537.36"), "tv", "Android", "12", "Chrome", "109"
    ),
    "LG television": Case(
        f"Mozilla/5.0 (Web0S; Linux/SmartTV) {BLINK} Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
        "tv",
        "Web0S",
        None,
        "Chrome",
        "94",
    ),
    "Samsung television": Case(
        f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) {BLINK} 85.0.4183.93/6.5 TV Safari/537.36",
        "tv",
        "Tizen",
        "6.5",
        "Safari",
        None,
    ),
    "console": Case(
        f"Mozilla/5.0 (PlayStation; PlayStation 5/6.50) {WEBKIT} Version/16.4 Safari/605.1.15",
        "other",
        None,
        None,
        "Safari",
        "16",
    ),
    "Windows 10 or 11": Case(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
        "desktop",
        "Windows",
        None,
        "Edge",
        "126",
    ),
    "Windows 7": Case(
        f"Mozilla/5.0 (Windows NT 6.1; WOW64) {BLINK} Chrome/109.0.0.0 Safari/537.36",
        "desktop",
        "Windows",
        "7",
        "Chrome",
        "109",
    ),
    "Chromebook, system version frozen": Case(
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {BLINK} Chrome/126.0.0.0 Safari/537.36",
        "desktop",
        "Chrome OS",
        None,
        "Chrome",
        "126",
    ),
    "Ubuntu": Case(
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "desktop",
        "Ubuntu",
        None,
        "Firefox",
        "127",
    ),
    "Windows Phone posing as Android": Case(
        f"Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 650) {BLINK} Chrome/52.0.2743.116 "
        "Mobile Safari/537.36 Edge/15.15254",
        "mobile",
        "Windows Phone",
        "10.0",
        "Edge Mobile",
        "15",
    ),
    "KaiOS": Case(
        "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
        "mobile",
        "KaiOS",
        "2.5",
        "Firefox Mobile",
        "48",
    ),
    "Opera Mini": Case(
        "Opera/9.80 (Android; Opera Mini/36.2/191.308; U; en) Presto/2.12.423 Version/12.16",
        "mobile",
        "Android",
        None,
        "Opera Mini",
        "36",
    ),
    "feature phone": Case(
        "SAMSUNG-SGH-E250/1.0 Profile/MIDP-2.0 Configuration/CLDC-1.1 UP.Browser/6.2.3.3.c.1.101 (GUI) MMP/2.0",
        "mobile",
        None,
        None,
        "UP.Browser",
        "6",
    ),
    "nothing": Case("", "other", None, None, None, None),
}

APPS = {
    "WeChat": android(
        "13; M2101K6G; wv", "Version/4.0 Chrome/116.0 Mobile Safari/537.36 MicroMessenger/8.0.49 Weixin NetType/WIFI"
    ),
    "Instagram": iphone("Mobile/15E148 Instagram 336.0.0.28 (iPhone14,5; iOS 17_5; de_DE; de; scale=3.00; 1170x2532)"),
    "Facebook": android(
        "14; Pixel 8; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/470.0.0.56;]"
    ),
    "Messenger": iphone("Mobile/15E148 [FBAN/MessengerForiOS;FBAV/463.0.0.44;FBDV/iPhone14,5]"),
    "Threads": android(
        "14; SM-A546B; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 Barcelona 340.0.0.22 Android"
    ),
    "TikTok": iphone("Mobile/15E148 musical_ly_34.5.0 JsSdk/2.0 NetType/WIFI ByteLocale/de Region/DE"),
    "LINE": iphone("Mobile/15E148 Safari Line/14.8.0"),
    "KakaoTalk": iphone("Mobile/15E148 KAKAOTALK 10.8.3"),
    "Snapchat": iphone("Version/17.5 Mobile/15E148 Snapchat/12.90.0.40 (like Safari/604.1, panda)"),
    "Naver": android(
        "13; SM-S911N; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 NAVER(inapp; search; 2000; 12.7.2)"
    ),
    "QQ": iphone("Mobile/15E148 QQ/9.0.60.626 V1_IPH_SQ_9.0.60 NetType/WIFI"),
    "WhatsApp": iphone("Mobile/15E148 WhatsApp/2.24.13"),
    "Telegram": android("14; SM-S918B; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 Telegram-Android/10.14.5"),
    "LinkedIn": iphone("Mobile/15E148 [LinkedInApp]/9.29.6965"),
    "Pinterest": iphone("Mobile/15E148 [Pinterest/iOS]"),
    "X": iphone("Mobile/15E148 Twitter for iPhone/10.44"),
    "Reddit": iphone("Mobile/15E148 Reddit/Version 2024.24"),
    "Discord": iphone("Mobile/15E148 Discord/233.0"),
    "Google": iphone("GSA/320.0.645 Mobile/15E148 Safari/604.1"),
    "Baidu": iphone("Mobile/15E148 baiduboxapp/13.59.5"),
    "Weibo": iphone("Mobile/15E148 Weibo (iPhone14,5__weibo__14.6.1__iphone__os17.5)"),
    "Alipay": iphone("Mobile/15E148 NebulaSDK/1.8 AliApp(AP/10.6.0) AlipayClient/10.6.0 Language/zh-Hans"),
    "DingTalk": iphone("Mobile/15E148 AliApp(DingTalk/7.5.20) com.laiwang.DingTalk/40 Channel/201200"),
    "Zalo": android(
        "13; SM-A536E; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 Zalo android/240620 ZaloTheme/light"
    ),
    "VK": iphone("Mobile/15E148 com.vk.vkclient/4096"),
    "Viber": android("12; Redmi Note 11; wv", "Version/4.0 Chrome/126.0 Mobile Safari/537.36 Viber/22.8.0.0"),
    None: iphone("Version/17.5 Mobile/15E148 Safari/604.1"),
}


@pytest.fixture(scope="module")
def reader() -> AgentReader:
    return AgentReader()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_device_system_and_browser(reader: AgentReader, case: Case) -> None:
    agent = reader.read(case.user_agent)
    assert (agent.device, agent.os, agent.os_version, agent.browser, agent.browser_version) == case[1:]


@pytest.mark.parametrize(("app", "user_agent"), APPS.items(), ids=map(str, APPS))
def test_app_whose_browser_it_is(reader: AgentReader, app: str | None, user_agent: str) -> None:
    agent = reader.read(user_agent)
    assert (agent.app, agent.bot_reason, agent.device) == (app, None, "mobile")


def test_both_engines_give_the_same_answers() -> None:
    """Without the Rust wheel only the speed is another."""
    quick, slow = AgentReader(), AgentReader(engine="python")
    assert (quick.engine, slow.engine) == (best_engine(), "python")
    for user_agent in [case.user_agent for case in CASES.values()] + list(APPS.values()):
        assert slow.read(user_agent) == quick.read(user_agent)


def test_a_bot_keeps_its_device_but_has_no_app(reader: AgentReader) -> None:
    agent = reader.read(iphone("Mobile/15E148 Snapchat/12.90 (compatible; AcmeBot/1.0; +https://acme.example)"))
    assert (agent.device, agent.app, agent.bot_reason) == ("mobile", None, "ua")


def test_a_header_seen_before_comes_from_the_cache() -> None:
    reader = AgentReader(cache_size=2)
    first = reader.read("curl/8.5.0")
    assert reader.read("curl/8.5.0") is first
    assert (reader.hits, reader.misses) == (1, 1)
    for other in ("curl/8.6.0", "curl/8.7.0"):
        reader.read(other)
    assert reader.read("curl/8.5.0") == first
    assert (reader.hits, reader.misses) == (1, 4)


def test_only_the_front_of_a_long_header_is_read(reader: AgentReader) -> None:
    front = iphone("Version/17.5 Mobile/15E148 Safari/604.1").ljust(MAX_LENGTH)
    misses = reader.misses
    assert reader.read(front + "AcmeBot") == reader.read(front)
    assert reader.misses == misses + 1


@settings(deadline=None)
@given(st.text(max_size=600))
def test_any_header_gives_an_agent(reader: AgentReader, user_agent: str) -> None:
    agent = reader.read(user_agent)
    assert isinstance(agent, Agent)
    assert agent.device in {"mobile", "tablet", "desktop", "tv", "other"}
