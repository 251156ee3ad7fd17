"""Owns which app's built-in browser a user agent belongs to. Bots have none: ask only about people."""

from redirector.patterns import any_of, unpadded


def find_app(user_agent: str) -> str | None:
    """The name of the app whose built-in browser this is; None for a browser of its own or an unknown app."""
    text = user_agent.lower()
    if not _ANY_MARK.search(unpadded(text)):
        return None
    return next(app for mark, app in _MARKS if mark in text)


# Apps inside apps come first: Messenger, Threads and Instagram carry Facebook's marks, Tencent's apps each other's,
# Alibaba's and ByteDance's as well. Marks are lower case; a blank or a slash keeps "Line/" out of "Online/".
_MARKS = (
    ("barcelona ", "Threads"),
    ("instagram ", "Instagram"),
    ("fban/messenger", "Messenger"),
    ("fb_iab/messenger", "Messenger"),
    ("fb_iab/orca", "Messenger"),
    ("messengerforios", "Messenger"),
    ("messengerliteforios", "Messenger"),
    ("fbpn/com.facebook.orca", "Messenger"),
    ("fban/", "Facebook"),
    ("fb_iab/", "Facebook"),
    ("fbav/", "Facebook"),
    ("wxwork/", "WeCom"),
    ("micromessenger", "WeChat"),
    (" weixin", "WeChat"),
    ("dingtalk", "DingTalk"),
    ("alipayclient", "Alipay"),
    ("aliapp(tb/", "Taobao"),
    ("aliapp(tm/", "Tmall"),
    ("musical_ly", "TikTok"),
    ("trill_", "TikTok"),
    ("bytedancewebview", "TikTok"),
    ("bytelocale", "TikTok"),
    ("tiktok", "TikTok"),
    ("aweme", "Douyin"),
    ("newsarticle/", "Toutiao"),
    ("xiaohongshu", "Xiaohongshu"),
    ("discover/", "Xiaohongshu"),
    ("weibo", "Weibo"),
    (" qq/", "QQ"),
    ("baiduboxapp", "Baidu"),
    ("bdapp", "Baidu"),
    ("kakaotalk", "KakaoTalk"),
    ("kakaostory", "KakaoStory"),
    ("naver(", "Naver"),
    ("daumapps", "Daum"),
    (" line/", "LINE"),
    ("snapchat", "Snapchat"),
    ("whatsapp", "WhatsApp"),
    ("telegram", "Telegram"),
    ("linkedinapp", "LinkedIn"),
    ("[pinterest/", "Pinterest"),
    ("pinterest for ", "Pinterest"),
    ("twitter for ", "X"),
    ("twitterandroid", "X"),
    ("reddit/", "Reddit"),
    ("discord/", "Discord"),
    ("slack", "Slack"),
    ("teams/", "Teams"),
    ("teamsmobile", "Teams"),
    (" gsa/", "Google"),
    ("googleapp/", "Google"),
    ("bingweb/", "Bing"),
    ("bingsapphire/", "Bing"),
    ("yaapp_", "Yandex"),
    ("yasearchapp", "Yandex"),
    ("zalo", "Zalo"),
    ("vkandroidapp", "VK"),
    ("vkclient", "VK"),
    ("com.vk.", "VK"),
    ("viber", "Viber"),
    ("tumblr", "Tumblr"),
    ("bluesky", "Bluesky"),
    ("flipboard", "Flipboard"),
    ("outlook-", "Outlook"),
    ("duckduckgo/", "DuckDuckGo"),
)
_ANY_MARK = any_of(mark for mark, _ in _MARKS)
