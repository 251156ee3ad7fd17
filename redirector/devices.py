"""Owns the device class of a user agent: mobile, tablet, desktop, tv or other. Starts from the rules of user-agents and
corrects what they get wrong: televisions, consoles, tablets that say Mobile and phones that do not."""

import re
from typing import Any

from redirector.patterns import any_of, unpadded


def device_for(user_agent: str, parsed: Any) -> str:
    """`parsed` is what user_agents.parse made of `user_agent`. Consoles, cars, watches, glasses and programs: other."""
    text = user_agent.lower()
    if _WINDOWS_PHONE.search(text):
        return "tablet" if " ipad" in text else "mobile"
    # iPadOS asks for desktop pages as a Mac; inside apps it still adds its build number. In Safari nothing is left to
    # tell it from a Mac, and it counts as one.
    if "ipad" in text or ("macintosh" in text and " mobile/" in text):
        return "tablet"
    if "iphone" in text or "ipod" in text:
        return "mobile"
    if found := _LIVING_ROOM.search(unpadded(text)):
        return "tv" if _TV.match(found[0]) else "other"
    if (at := text.find("android")) >= 0:
        return _android_device(text, text[at + 7 : text.find(")", at)].partition(" build")[0])
    if _OTHER_TABLET.search(text):
        return "tablet"
    if _FEATURE_PHONE.search(text):
        return "mobile"
    return _named_device(text, parsed)


def _android_device(text: str, comment: str) -> str:
    """`comment`: the words between Android and Build or the bracket: the model."""
    if _ANDROID_TABLET.search(comment) or "kobo" in text:
        return "tablet"
    if "mobile" in text or "opera mini" in text or _ANDROID_PHONE.search(comment):
        return "mobile"
    # Browsers leave "Mobile" out on tablets; apps that send no browser's header never say it.
    return "tablet" if "applewebkit" in text or "gecko" in text or "opera" in text else "mobile"


def _named_device(text: str, parsed: Any) -> str:
    if parsed.is_tablet and "windows nt" not in text:
        return "tablet"
    if parsed.is_mobile:
        return "mobile"
    if parsed.is_pc or _DESKTOP.search(text):
        return "desktop"
    return "mobile" if "mobile" in text else "other"


_TV_WORDS = (
    "smart-tv", "smarttv", "googletv", "google tv", "appletv", "apple tv", "hbbtv", "inettv", "dtv;", "sonydtv",
    "dtvnetbrowser", "bravia", "aquostv", "netcast", "web0s", "viera", "roku", "crkey", "chromecast", "nexus player",
    "shield android", "mibox", "mitv", "tvbox", "tv box", "tv_box", "android tv", "philipstv", "nettv", "vizio",
    "beyondtv", "set-top", "freebox", "fubotv", "xumo/", " tv ", " tv;", " tv/", " tv)", "-tv;", "tv safari",
)  # fmt: skip
_CONSOLE_WORDS = (
    "playstation", "(psp", "nintendo", "; xbox", "(xbox", "dreamcast", "oculusbrowser", "carbrowser", "tesla/",
    "applewatch", "watch os", "; sm-r8", "; sm-r9",
)  # fmt: skip
# Fire TVs are called AFT and some letters.
_FIRE_TV = r"; aft[a-z]{1,4}\d{0,2}\b"
_TV = any_of(_TV_WORDS, _FIRE_TV)
_LIVING_ROOM = any_of(_TV_WORDS + _CONSOLE_WORDS, _FIRE_TV)

_WINDOWS_PHONE = re.compile(r"windows (?:phone|ce|mobile)|wpdesktop|iemobile|xblwp7|zunewp7|lumia")

_ANDROID_TABLET = re.compile(
    # Said in words: Tab, Tablet, MediaPad, Redmi Pad; but not PadFone.
    r"tab(?:let)?[a-z]?\d*(?:[^a-z]|$)(?<![a-z]tab.)|pad(?:\d+\w?)?(?:[^a-z]|$)|reader|pocketbook|nook|book\b"
    # Model numbers: Samsung, Amazon, Google, Lenovo, Huawei, LG, Sony, Asus.
    r"|sm-[tpx]\d{3}|gt-p\d{4}|gt-n[58]\d{3}|shw-m[13]80|[; ]kf[a-z]{2,5}\b|nexus (?:7|9|10)\b|pixel c\b|xoom"
    r"|lenovo[ _-]?(?:tb|yt|[ab][3578][05]00|s6000|a[12]10\d|b[68]0[08]0|ideatab|yoga)|[; ]tb\d?-\w|[; ]tb\d{3}[a-z]{2}"
    r"|[; ]yt\d?-|[; -](?:ags\d?|bah\d?|bg2|btv|cmr|jdn\d?|kob\d?|mon|scm\w?|sht|mrx|mrr|dby|wgr|bzt\d?|bzw)-(?:w|l|al|u)\d\w"
    r"|[; ]t1[-_][78a]|vk\d{3}|lg-v[45]\d\d|sgp\d{3}|transformer|iconia|slider|[; ]p0[0-2]\w\b"
    # Makers of nothing but tablets, most of them from the days when every Android said Mobile.
    r"|archos ?(?:[5-9]\b|[6-9]\d|1\d\d)|a101it|ainol|novo\d|odys|xelio|goclever|nabi|hudl|ideos s7|streak 7|t-hub"
    r"|viewsonic|enjoy (?:7|10)|folio|broncho|rk2\d18|cube u\d|onda v|teclast|chuwi|flytouch|zenithink|coby"
)
# Phones whose desktop mode, app or old WebView leaves "Mobile" out.
_ANDROID_PHONE = re.compile(
    r"sm-[aefgjmns]\d{3}|gt-[is]\d{4}|gt-n7\d{3}|sgh-|sph-|sch-|pixel|nexus (?:4|5|6|one|s)\b|redmi|mi \d|moto |iphone"
    r"|sd4930ur|galaxy (?:s|note|a)\d"
)
_OTHER_TABLET = any_of(
    ("kindle", "silk-", "silk/", "playbook", "touchpad", "hp-tablet", "pocketbook", "kobo", "nook", "xoom"),
    r"tablet(?! pc)\b",
)
_FEATURE_PHONE = any_of(
    (
        "midp", "cldc", "j2me", "up.browser", "up.link", "opera mini", "opera mobi", "symbian", "series60", "series 60",
        "series40", "series 40", "blackberry", "bb10", "palm", "blazer", "docomo", "foma", "kddi-", "willcom",
        "j-phone", "softbank", "vodafone/", "obigo", "teleca", "nf-browser", "ucweb", "kaios", "maemo", "meego",
        "sailfish", "bada", "webos/", "hpwos", "(mobile;", "nokia", "sonyericsson", "outlook-ios", "linux; u; adr ",
    ),
    r"^(?:lg|mot|sie|sec|sgh|zte|alcatel|juc)[-_ /]",
)  # fmt: skip
_DESKTOP = re.compile(r"x11|windows|mac(?:intosh| os x|_powerpc)|cros |[a-z]bsd|linux|amiga|beos|haiku|itunes/")
