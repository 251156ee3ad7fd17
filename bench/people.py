"""Who scans in the bench: the demo's people and phones, with the many builds that in-app browsers come in. Pure."""

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from analytics.demo_people import Crowd
from analytics.demo_plan import VENUES
from redirector.records import Scan

BUILDS: Final = 400  # of each app; plain Safari and Chrome have frozen theirs
_VERSION = re.compile(r"(?<!AppleWebKit/)(?<!Safari/)\b\d+\.\d+\.\d+(?:\.\d+)*")


def scans(count: int, code_ids: Sequence[int], *, start_us: int, seed: int, host: str) -> Iterator[Scan]:
    """In the order of time, a millisecond apart; the same for the same seed."""
    random = Random(seed)
    crowds = [Crowd(random, venue.slug, venue.campaign, venue.places) for venue in VENUES]
    for number in range(count):
        person = random.choice(crowds).somebody()
        at_us = start_us + number * 1_000
        yield Scan(
            id=f"{at_us // 1000:012x}{seed:06x}{number:06x}",
            at_us=at_us,
            code_id=random.choice(code_ids),
            version=1,
            rule=None,
            variant=None,
            uncounted=None,
            address=person.address,
            user_agent=with_build(person.user_agent, random.randrange(BUILDS)),
            referrer=person.referrer,
            language=person.language,
            query=person.query,
            gpc=person.gpc,
            visitor=person.visitor(at_us),
            host=host,
        )


def with_build(user_agent: str, build: int) -> str:
    """Another build of the same app; browsers that tell no build stay as they are."""
    return _VERSION.sub(lambda found: _rebuilt(found[0], build), user_agent)


def _rebuilt(version: str, build: int) -> str:
    return version if version.endswith(".0.0.0") else f"{version.rpartition('.')[0]}.{build}"
