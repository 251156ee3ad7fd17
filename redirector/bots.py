"""Owns the verdict whether a user agent says that it is a program, and which kind. Sees the header only: what the
request says (HEAD, prefetch) and what the network says (datacenter, relay) is judged elsewhere."""

import re

from redirector.patterns import any_of, unpadded


def bot_reason_for(user_agent: str) -> str | None:
    """`preview`, `scanner`, `library`, `ua` (any other program) or `empty`; None for what a person holds."""
    text = user_agent.strip(_BLANK).lower()
    if not text:
        return "empty"
    if not text.startswith(("mozilla/", "opera/")):
        return _name_reason(text) or _foreign_reason(text)
    suspicious = _SUSPICIOUS.search(unpadded(text)) is not None
    if suspicious and (reason := _name_reason(text)):
        return reason
    return _shape_reason(text, suspicious)


def _name_reason(text: str) -> str | None:
    """The verdict of the words in it. The specific kinds come before the general ones."""
    if _PREVIEW.search(text):
        return "preview"
    if _SCANNER.search(text):
        return "scanner"
    if _LIBRARY.search(text) and not _LIBRARY_OF_PEOPLE.match(text):
        return "library"
    if not _BOT.search(text):
        return None
    found = _OFF_PHONES.search(text)
    return found.lastgroup if found else "ua"


def _foreign_reason(text: str) -> str | None:
    """The verdict on a header that no graphical browser of the last twenty years would send: people's exceptions."""
    if _HANDSET.search(text):
        return None
    if _LIBRARY_NAME.search(text):
        return "library"
    if _APP.search(text) and not _PREFIXED.search(text):
        return None
    found = _OFF_PHONES.search(text)
    return found.lastgroup if found else "ua"


def _shape_reason(text: str, suspicious: bool) -> str | None:
    """The verdict on a header that begins like a browser's: does it go on like one?"""
    if not _PLATFORM.search(text):
        return "ua"
    if "compatible" in text and not _ENGINE.search(text):
        return "ua"
    if _GLUED.search(text):
        return "ua"
    if _PHONE.search(text) or "msie" in text:
        return None
    if suspicious and (found := _OFF_PHONES.search(text)):
        return found.lastgroup
    if _DOMAIN.search(text):
        return "ua"
    tail = _TAIL.search(text) if "chrome/" in text else None
    return "ua" if tail and not _TAIL_OF_PEOPLE.search(tail[1]) else None


# All rules read the header in lower case. The words are what programs call themselves, kept short enough to find names
# that nobody has listed yet; a word that an app, a phone or a toolbar also carries belongs to _OFF_PHONES or nowhere.

_BLANK = " \t\r\n-\"'"

# Fetchers that draw the card under a link in a chat or a post: a person shared the address, nobody scanned it.
_PREVIEW_WORDS = (
    "facebookexternal", "facebot", "twitterbot", "slackbot", "slack-img", "telegrambot", "discordbot", "linkedinbot",
    "skypeuri", "pinterestbot", "redditbot", "xing bot", "cardyb", "vkshare", "kakaotalk-scrap",
    "og-reader", "google-pagerenderer", "mastodon/", "pleroma", "akkoma", "misskey", "gotosocial", "friendica",
    "lemmy/", "synapse (bot", "embedly", "iframely", "onebox", "oembed", "opengraph", "richlink", "rich link",
    "unfurl", "linkexpand", "preview",
)  # fmt: skip
# Messengers that fetch under their own name. In a person's hands the same word stands behind Mozilla/5.0 (iPhone ...
_PREVIEW = any_of(_PREVIEW_WORDS, r"^(?:whatsapp|tumblr|pinterest|snapchat|threads)/[\w.]++(?! \((?!\+))")

# Programs that test a site: is it up, is it quick, do its links work, can it be broken into.
_SCANNER_WORDS = (
    "uptime", "monitor", "watchdog", "watchmouse", "healthcheck", "health check", "health-check", "pingdom",
    "statuscake", "site24x7", "nagios", "zabbix", "blackbox", "datadog", "newrelic", "synthetic", "dynatrace", "ruxit",
    "catchpoint", "gomez", "thousandeyes", "rigor)", "dareboost", "dejaclick", "alertsite", "checkly", "hetrix",
    "gtmetrix", "webpagetest", "lighthouse", "pagespeed", "page speed", "speedtest", " ptst/", "linkcheck",
    "link check", "link-check", "linkchk", "checklink", "deadlink", "brokenlink", "broken link", "xenu link",
    "validator", "sqlmap", "nikto", "nmap", "nessus", "openvas", "acunetix", "netsparker", "qualys", "burpcollab",
    "secbot", "burp suite", "zgrab", "masscan", "nuclei", "wpscan", "buster/", "fuzz faster", "whatweb", "censys",
    "shodan", "leakix", "expanse", "netcraft", "detectify", "internet-measurement", "internetmeasurement",
    "virustotal", "urlscan", "vulnerab", "pentest", "phish", "malware", "threat", "barracuda", "proofpoint",
    "mimecast", "ironport", "safebrowsing",
)  # fmt: skip
_ATTACK_WORDS = (
    "${jndi",
    "<script",
    "<?php",
    "() {",
    "union select",
    "waitfor delay",
    "../..",
    "/etc/passwd",
    "sleep(",
)
_SCANNER = any_of(_SCANNER_WORDS + _ATTACK_WORDS)

# HTTP clients of programming languages, and browsers without a screen or a person.
_LIBRARY_WORDS = (
    "curl/", "libcurl", "wget", "urllib", "python-", "aiohttp", "httpx", "httpie", "okhttp", "go-http", "axios",
    "-fetch/", "undici", "superagent", "guzzle", "faraday", "typhoeus", "restclient", "rest-client", "restsharp",
    "postman", "insomnia/", "libwww", "lwp-", "lwp:", "winhttp", "mechanize", "http-client", "httpclient",
    "http client", "httprequest", "http_request", "urlconnection", "http.rb", "reqwest", "netty/", "grpc-", "cfhttp",
    "powershell", "headless", "phantomjs", "slimerjs", "casperjs", "selenium", "webdriver", "puppeteer", "playwright",
    "cypress", "htmlunit", "jsdom", "splash/", "akka-http", "cryptoapi", "alamofire", " java/1", "(java/1",
)  # fmt: skip
_LIBRARY = any_of(_LIBRARY_WORDS)
_LIBRARY_OF_PEOPLE = re.compile(r"lynx|ncsa_mosaic|w3m|playstation|ps\dapp")
# First in the header: a programming language, a product named after its trade, an app with its package for a comment.
_LIBRARY_NAME = re.compile(
    r"^(?:python|ruby|perl|php|java|go|golang|node|nodejs|rust|dart|lua|deno|bun|elixir|erlang|swift|scala|kotlin)\b"
    r"|^[\w.-]*(?:http|rest|request|client|sdk|api|webhook|curl)[\w.-]*(?:/|$)"
    r"|^[^/(]+/[\w.+-]+ \((?:com|org|net|io|de)\.[a-z]"
)

# Crawlers, feed readers, archivers, converters: everything else that says it is a program.
_BOT_WORDS = (
    "crawl", "spider", "slurp", "scrap", "robot", "fetch", "archiv", "indexer", "indexing", "harvest", "searchengine",
    "search engine", "subscriber", "aggregator", "sitemap", "mediapartners", "adsbot", "apis-google", "google-",
    "googleother", "googleweblight", "meta-external", "yandexm", "transcoder", "webhook", "grabber", "extractor",
    "collector", "downloader", "httrack", "webcopier", "webcopy", "sitesucker", "webzip", "offline explorer",
    "teleport pro", "screenshot", "thumbnail", "favicon", "nutch", "heritrix", "plagiar", "webcollage",
)  # fmt: skip
_BOT = any_of(
    _BOT_WORDS,
    # "bot" ends a name or begins one; Cubot makes phones, Botim is a messenger.
    r"bots?(?![a-z])(?<!\bcubot)",
    r"\bbot(?!im\b|h\b)",
    r"rss(?:bot|reader|bandit|/|\b)(?<![a-z]\drss)",
    r"feed(?:s?\b|[-/_]| ?(?:find|burn|pars|read|bin|valid|demon|ly))",
    r"\bseo|seo\b",
    # An address for the webmaster to complain to. Embedded Internet Explorer carries one of its maker.
    r"https?:/(?!/(?:www\.)?bsalsa)",
    r"\w@[\w.-]+\.[a-z]{2,}",
    # "compatible;" opens the comment of old Internet Explorers and Konquerors; later or elsewhere it is a crawler's.
    r"[^(]compatible[;,)]",
)

# Cheap first look at a browser's header: most people's have none of these and need no second one.
_SUSPICIOUS = any_of(
    _PREVIEW_WORDS + _SCANNER_WORDS + _ATTACK_WORDS + _LIBRARY_WORDS + _BOT_WORDS
    + ("bot", "rss", "feed", "seo", "http", "@", "compatible")
    + ("scan", "check", "prob", "audit", "secur", "inspect", "ping", "onetrust", "hardenize", "agent", "proxy")
    + ("research", "discover", "analy", "search", "pdf", "podcast", "reader", "translat")
)  # fmt: skip

# Words that a scanner app, a news reader or a maker's phone also carries: they count only away from phones.
# Each is in _SUSPICIOUS as well.
_OFF_PHONES = re.compile(
    r"(?P<scanner>scan(?:ners?|ning)?(?![a-z])(?<!camscanner)|check(?:er|s|ing)?(?![a-z])|prob(?:e|ing)\b|audit"
    r"|secur(?:ity|e[-_ ])|inspect|(?<![a-z])ping(?![a-z])|onetrust|hardenize)"
    r"|(?P<ua>agent(?![a-z])(?<!user[- ]agent)|proxy|research|discover|analy[sz]er|analytics|search(?:/|bot)|\bpdf\b"
    r"|podcast|reader\b|translat)"
)
_DOMAIN = re.compile(
    r"(?<![\w.@-])(?!(?:com|org|net|de|jp|cn|kr|ru|io|me)\.)(?:[a-z0-9-]+\.)+"
    r"(?:com|org|io|ai|co|ru|de|me|eu|info|fr|uk|nl|it|ch|pl|cz|jp|cn|news|online|app|net(?=/))\b(?![.\w-])"
)
_PHONE = re.compile(r"android|iphone|ipad|ipod|windows phone|mobile|tizen|kaios")

# Forged headers with a blank lost: "Chrome/105.0.0.0MQQBrowser/6.2".
_GLUED = re.compile(r"chrome/[\d.]+[a-z]{3}")

# What the comment of anything with a screen names.
_PLATFORM = re.compile(
    r"windows|win(?:nt|9\d|32)|mac(?:intosh|[ _])|linux|x11|android|iphone|ipad|ipod|cros |bsd|sunos|beos|haiku|amiga"
    r"|risc os|os/2|morphos|syllable|symbian|series ?\d0|blackberry|bb10|playbook|tizen|bada|mobile[;)]|tablet;|kaios"
    r"|web ?0s|webos|smart-?tv|dtv|playstation|psp|nintendo|xbox|crkey|kindle|nokia|foma|docomo|kddi|willcom|palm|meego"
    r"|maemo|msie|j2me|midp|opera m|trident|konqueror|netfront|applewebkit|gecko/|presto|khtml|danger|dreamcast|tesla"
    r"|roku|hpw"
)
_ENGINE = re.compile(r"applewebkit/|gecko/\d|presto/|trident/|khtml/|msie \d|konqueror|opera|amiga|docomo")

# Real browsers that never said Mozilla: text browsers, feature phones, living-room players.
_HANDSET = re.compile(
    r"^(?:lynx|e?links|w3m|emacs-w3m|dillo|netsurf|ncsa_mosaic|ibrowse|amiga|edbrowse|hotjava|netpositive"
    r"|cyberdog|omniweb|icab|uzbl|surf|bunjalloo|polaris|blazer|outlook|itunes|quicktime|sleipnir)"
    r"|^(?:nokia|samsung|sec-|sgh-|lg[-e/]|mot-|sie-|sonyericsson|blackberry|alcatel|sagem|panasonic|sharp|zte|htc"
    r"|huawei|motorola|philips|pantech|micromax|spice|karbonn|lava|inq|j-phone|softbank|vodafone|kddi|docomo|willcom"
    r"|palm|t-mobile|roku)"
    r"|midp|cldc|up\.browser|up\.link|netfront|nf-browser|obigo|teleca|ucweb|ucbrowser|mqqbrowser|opera mini|j2me"
    r"|symbian|series ?60|foma|wap[12. ]|maui|exoplayer|stagefright|hbbtv|smart-?tv|playstation|nintendo|coremedia"
    r"|libvlc|nsplayer|media player"
)
# Phone apps that show pages, and browsers whose Mozilla/5.0 got lost on the way.
_APP = re.compile(
    r"dalvik/|cfnetwork/[\d.]+ darwin/|^applewebkit/|^android \d"
    r"|[(;] ?(?:u; )?(?:linux; ?)?(?:cpu )?(?:android|iphone|ipad|ipod|ios)\b"
)
_PREFIXED = re.compile(r"[ ,;+(]mozilla/\d")

# What desktop browsers put behind Safari/537.36. Anything else there is a program that drives Chrome: unless it has
# Chromium's four-part version, as every rebuilt Chromium does.
_TAIL = re.compile(r"safari/[\d.+]+;? +(.+)$")
_TAIL_OF_PEOPLE = re.compile(
    r"/\d+\.\d+\.\d+\.\d+|browser/|^\W*(?:edge?|opr|opera|vivaldi|yabrowser|yowser|whale|brave|sleipnir|se 2\.x|metasr"
    r"|lbbrowser|\d{3,4}(?:se|ee|explorer|browser)|m?qq|tim/|mrchrome|coolnovo|comodo|maxthon|avast|avg|ccleaner|norton"
    r"|ddg|duckduckgo|ubuntu|debian|fedora|epiphany|midori|falkon|iron|viber|puffin|xiaomi|u2/|uc|teams|slack"
    r"|windowsstore|windowswechat|macwechat|micromessenger|wxwork|nettype|language|dingtalk|aliapp|baidu|bidu|sogou"
    r"|quark|crosswalk|electron|chrom|version|mobile|naver|kakao|line/|zalo|pinterest|\[|gsa/|bing|ecosia|\(ecosia"
    r"|navigator|lunascape|theworld|qihu|sailfish|silk|tv|hbbtv|smart|omi/|webappmanager|lg |vizio|cent|coc_coc|kinza"
    r"|aol|torch|amigo|nichrome|steam|oculus|discord|notion|airwatch|\(airwatch)"
)
