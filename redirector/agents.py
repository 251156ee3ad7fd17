"""Owns the reading of a user agent: device class, system, browser, app and bot verdict, with a cache in front. Versions
that browsers have frozen are left out: they are no facts."""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import ua_parser
import ua_parser.basic
import ua_parser.loaders
import user_agents
import user_agents.parsers

from redirector.apps import find_app
from redirector.bots import bot_reason_for
from redirector.devices import device_for

Engine = Literal["rust", "python"]

# Longer headers are padding or attacks; what they say about the device is in front.
MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Agent:
    """What a user agent says. None = it does not say, or what it says is a frozen constant."""

    device: str
    os: str | None
    os_version: str | None
    browser: str | None
    browser_version: str | None
    app: str | None
    bot_reason: str | None


class AgentReader:
    """Reads user agents with the rules of user-agents, fed by ua-parser's Rust engine, or by its Python one where that
    wheel is missing: the same answers, some fifteen times slower (`engine` forces one)."""

    def __init__(self, cache_size: int = 50_000, engine: Engine | None = None) -> None:
        self.engine: Engine = engine or best_engine()
        self._feed = _Feed(_parser_for(self.engine))
        self._cached: Callable[[str], Agent] = lru_cache(cache_size)(self._agent_for)

    def read(self, user_agent: str) -> Agent:
        return self._cached(user_agent[:MAX_LENGTH])

    @property
    def hits(self) -> int:
        return self._cached.cache_info().hits  # type: ignore[attr-defined,no-any-return]

    @property
    def misses(self) -> int:
        return self._cached.cache_info().misses  # type: ignore[attr-defined,no-any-return]

    def _agent_for(self, user_agent: str) -> Agent:
        # user-agents has no parameter for its parser, only this name in its module. Assigning it costs 6 us.
        if user_agents.parsers.user_agent_parser is not self._feed:
            user_agents.parsers.user_agent_parser = self._feed
        parsed = user_agents.parse(user_agent)
        bot_reason = bot_reason_for(user_agent)
        device = device_for(user_agent, parsed)
        os = _OS_NAMES.get(parsed.os.family, parsed.os.family)
        if os == "macOS" and device == "tablet":
            os = "iOS"
        browser = _BROWSER_NAMES.get(parsed.browser.family, parsed.browser.family)
        return Agent(
            device=device,
            os=os,
            os_version=_os_version_for(parsed.os.family, parsed.os.version_string, user_agent),
            browser=browser,
            # Only the major version: the rest has been constant in Chrome since 2022, and a row each in a report.
            browser_version=parsed.browser.version_string.partition(".")[0] or None if browser else None,
            app=None if bot_reason else find_app(user_agent),
            bot_reason=bot_reason,
        )


# None = the parser does not know.
_OS_NAMES = {"Other": None, "Mac OS X": "macOS"}
_BROWSER_NAMES = {"Other": None, "Mobile Safari UI/WKWebView": "Mobile Safari"}


def _os_version_for(family: str, version: str, user_agent: str) -> str | None:
    """Major and minor version, unless `version` is one of the constants that browsers send whatever runs below."""
    short = ".".join(version.split(".")[:2])
    if family == "iOS" and short in _FROZEN_IOS:
        # The browser is silent, but some apps add the true version in a comment of their own.
        found = _APP_IOS.search(user_agent)
        declared = f"{found[1]}.{found[2]}" if found else short
        return None if declared in _FROZEN_IOS else declared
    frozen = (
        (family == "Windows" and short == "10")  # NT 10.0: 10, 11 or Server
        or (family == "Mac OS X" and short in ("10.15", "10.16"))  # every macOS since 2019
        or (family == "Android" and short == "10" and _FROZEN_ANDROID.search(user_agent))
        or (family == "Chrome OS" and short == "14541.0")
    )
    return None if frozen else short or None


_FROZEN_IOS = ("18.6", "18.7")
_APP_IOS = re.compile(r"(?:FBSV/|[;,] iOS )(\d+)[._](\d+)")
# Chrome's "Android 10; K", and Firefox from 122 on, which stops counting at 10.
_FROZEN_ANDROID = re.compile(r"Android 10; K\b|Android 10; \w+; rv:(?:12[2-9]|1[3-9]\d|[2-9]\d\d)")


def best_engine() -> Engine:
    return "rust" if importlib.util.find_spec("ua_parser_rs") else "python"


def _parser_for(engine: Engine) -> ua_parser.Parser:
    if engine == "rust":
        from ua_parser.regex import Resolver  # only where the wheel is

        return ua_parser.Parser(Resolver(ua_parser.loaders.load_builtins()))
    return ua_parser.Parser(ua_parser.basic.Resolver(ua_parser.loaders.load_lazy_builtins()))


class _Feed:
    """Stands in for the old module ua_parser.user_agent_parser, which user-agents calls and which takes 800 us."""

    def __init__(self, parser: ua_parser.Parser) -> None:
        self._parser = parser

    def Parse(self, user_agent: str) -> dict[str, dict[str, str | None]]:  # noqa: N802  # the name user-agents calls
        result = self._parser.parse(user_agent).with_defaults()
        browser, os, device = result.user_agent, result.os, result.device
        return {
            "user_agent": {
                "family": browser.family,
                "major": browser.major,
                "minor": browser.minor,
                "patch": browser.patch,
            },
            "os": {
                "family": os.family,
                "major": os.major,
                "minor": os.minor,
                "patch": os.patch,
                "patch_minor": os.patch_minor,
            },
            "device": {"family": device.family, "brand": device.brand, "model": device.model},
        }
