"""The people of the demo data: where their networks are, which phone they carry, how they came. Invented, no I/O."""

from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from itertools import accumulate
from random import Random
from typing import Final

from analytics.demo_agents import AGENTS, DemoAgent
from redirector.facts import trimmed_agent

# Large, steady blocks of access providers: country and runs of /24 (or /48) networks, written as the first one + how
# many. Found by asking a city database which long runs it gives to one town.
PLACES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "Berlin": ("DE", ("84.140.130+24", "79.210.164+24", "87.128.80+16", "2003:ff:c000+24")),
    "Hamburg": ("DE", ("77.6.8+60", "2003:e4:2000+12")),
    "Cologne": ("DE", ("217.237.200+40",)),
    "Munich": ("DE", ("77.4.252+40", "217.238.132+24", "2003:c3:9800+16")),
    "Vienna": ("AT", ("84.114.183+24", "80.109.56+60", "178.190.234+18", "2001:871:400+20")),
    "Zurich": ("CH", ("85.6.10+60", "84.74.22+12", "2a02:120f:40+14")),
    "Bern": ("CH", ("84.72.238+14",)),
    "Paris": ("FR", ("90.24.170+60", "86.251.175+60", "176.184.130+40", "2a01:e0a:3000+30")),
    "Lyon": ("FR", ("176.177.211+40",)),
    "Madrid": ("ES", ("83.47.10+60", "81.41.194+60", "2a0c:5a84:100+16")),
    "Barcelona": ("ES", ("83.62.70+40", "83.46.164+22")),
    "London": ("GB", ("2.28.20+60", "90.222.210+40", "2a02:c7c:ff00+24")),
    "Manchester": ("GB", ("2.24.130+12",)),
    "New York": ("US", ("74.64.85+60", "74.71.4+60", "2600:4042:5a00+30")),
    "Boston": ("US", ("72.93.120+60",)),
    "Philadelphia": ("US", ("72.81.65+30",)),
    "Toronto": ("CA", ("99.238.6+40", "99.244.42+60", "2607:fea8:9d00+20")),
    "Montreal": ("CA", ("142.119.140+60",)),
    "Mexico City": ("MX", ("189.166.90+60",)),
    "Sao Paulo": ("BR", ("177.61.5+60", "177.48.205+60", "2804:14c:6340+20")),
    "Rio de Janeiro": ("BR", ("201.12.170+40",)),
    "Mumbai": ("IN", ("106.195.130+60",)),
    "Bengaluru": ("IN", ("122.166.2+40",)),
    "Delhi": ("IN", ("117.230.195+60",)),
    "Tokyo": ("JP", ("126.100.200+50", "60.80.6+60", "106.168.197+40", "240b:13:a000+30")),
    "Osaka": ("JP", ("153.228.100+60",)),
    "Seoul": ("KR", ("211.212.178+60",)),
    "Dubai": ("AE", ("86.98.226+28", "5.31.99+26")),
    "Abu Dhabi": ("AE", ("86.96.114+40",)),
    "Riyadh": ("SA", ("93.168.224+30", "95.185.96+60")),
    "Cairo": ("EG", ("197.41.202+40", "196.128.4+40")),
    "Sydney": ("AU", ("121.209.50+60", "101.183.45+50", "2001:8003:c00+20")),
    "Melbourne": ("AU", ("101.181.145+60",)),
}
_LANGUAGES: Final[dict[str, tuple[str, ...]]] = {
    "DE": ("de-de", "de-de", "de-de", "de", "en-us", "tr-tr"), "AT": ("de-at", "de-at", "de", "en-us"),
    "CH": ("de-ch", "de-ch", "de", "fr-ch", "en-gb", "it-ch"), "FR": ("fr-fr", "fr-fr", "fr-fr", "fr", "en-us"),
    "ES": ("es-es", "es-es", "es", "ca-es", "en-gb"), "GB": ("en-gb", "en-gb", "en-gb", "en-us", "pl-pl"),
    "US": ("en-us", "en-us", "en-us", "en-us", "es-us"), "CA": ("en-ca", "en-ca", "fr-ca", "en-us"), "MX": ("es-mx",),
    "BR": ("pt-br", "pt-br", "pt-br", "en-us"), "IN": ("en-in", "en-in", "hi-in", "en-us"), "JP": ("ja-jp", "ja", "ja"),
    "KR": ("ko-kr",), "AE": ("en-ae", "ar-ae", "en-us", "en-gb"), "SA": ("ar-sa", "ar-sa", "en-us"),
    "EG": ("ar-eg", "ar-eg", "en-us"), "AU": ("en-au", "en-au", "en-gb", "zh-hans-au"),
}  # fmt: skip
# How many phones of a hundred are iPhones; the rest is Android.
_IPHONES: Final = {
    "DE": 38, "AT": 37, "CH": 52, "FR": 36, "ES": 27, "GB": 52, "US": 60, "CA": 61, "MX": 24, "BR": 20, "IN": 8, "JP": 62,
    "KR": 28, "AE": 44, "SA": 40, "EG": 14, "AU": 58,
}  # fmt: skip
_REFERRERS: Final[dict[str, tuple[str, ...]]] = {
    "instagram": ("https://l.instagram.com/", "https://l.instagram.com/", ""),
    "facebook": ("https://m.facebook.com/", "https://l.facebook.com/l.php", ""),
    "tiktok": ("https://www.tiktok.com/", ""),
    "threads": ("https://l.threads.com/", ""),
    "snapchat": ("",),
    "newsletter": ("https://mail.google.com/", "", ""),
    "blog": ("https://city-diary.example.org/what-to-do-this-week", "https://www.google.com/"),
}
_MEDIA: Final = {"newsletter": "email", "blog": "referral"}
RETURNING: Final = 0.3
GPC: Final = 0.03


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one device in one network."""

    number: str
    address: str
    user_agent: str
    language: str
    referrer: str
    query: dict[str, str]
    gpc: bool

    def visitor(self, at_us: int) -> str:
        """Another one on each UTC day, as with the real salts; none with Sec-GPC."""
        return "" if self.gpc else visitor_id(f"{self.number} {self.address}", at_us)


class Crowd:
    """Who comes to one venue: mostly new people, some known ones. The same for the same random source."""

    def __init__(self, random: Random, name: str, campaign: str, places: dict[str, float]) -> None:
        self._random = random
        self._name = name
        self._campaign = campaign
        self._places = list(places)
        self._place_weights = list(accumulate(places.values()))
        self._networks = {place: [net for run in PLACES[place][1] for net in networks_in(run)] for place in places}
        self._agent_weights = {place: _agent_weights(PLACES[place][0]) for place in places}
        self._known: list[Person] = []

    def somebody(self) -> Person:
        random = self._random
        if self._known and random.random() < RETURNING:
            return random.choice(self._known)
        person = self._stranger()
        self._known.append(person)
        return person

    def _stranger(self) -> Person:
        random = self._random
        place = random.choices(self._places, cum_weights=self._place_weights)[0]
        agent = random.choices(AGENTS, cum_weights=self._agent_weights[place])[0]
        gpc = random.random() < GPC
        return Person(
            number=f"{self._name} {len(self._known)}",
            address=random.choice(self._networks[place]),
            user_agent=trimmed_agent(agent.text, gpc=gpc),
            language=random.choice(_LANGUAGES[PLACES[place][0]]),
            referrer=random.choice(_REFERRERS[agent.source]) if agent.source else "",
            query=self._query(agent),
            gpc=gpc,
        )

    def _query(self, agent: DemoAgent) -> dict[str, str]:
        if not agent.source or self._random.random() < 0.3:
            return {}
        medium = _MEDIA.get(agent.source, "social")
        return {"utm_source": agent.source, "utm_medium": medium, "utm_campaign": self._campaign}


def visitor_id(who: str, at_us: int) -> str:
    return blake2b(f"{at_us // 86_400_000_000} {who}".encode(), digest_size=8).hexdigest()


def networks_in(run: str) -> list[str]:
    """'84.140.130+24' -> the 24 networks '84.140.130.0/24', '84.140.131.0/24' ...; with colons, /48 ones."""
    first, _, count = run.partition("+")
    if ":" in first:
        start = int(IPv6Address(f"{first}::"))
        return [f"{IPv6Address(start + (step << 80))}/48" for step in range(int(count))]
    start = int(IPv4Address(f"{first}.0"))
    return [f"{IPv4Address(start + (step << 8))}/24" for step in range(int(count))]


def _agent_weights(country: str) -> list[float]:
    """Cumulative. Apps of one country are theirs alone, iPhones and Androids come in that country's proportion."""
    fitting = [agent.weight if not agent.countries or country in agent.countries else 0.0 for agent in AGENTS]
    totals = {"ios": 0.0, "android": 0.0}
    for agent, weight in zip(AGENTS, fitting, strict=True):
        if agent.family != "desktop":
            totals[agent.family] += weight
    factors = {"ios": _IPHONES[country] / totals["ios"], "android": (100 - _IPHONES[country]) / totals["android"]}
    shares = [weight * factors.get(agent.family, 1.0) for agent, weight in zip(AGENTS, fitting, strict=True)]
    return list(accumulate(shares))
