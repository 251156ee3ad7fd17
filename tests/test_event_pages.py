"""The page of outgoing events: newest first, in pages, narrowed, as the API tells them; links to jobs that are there."""

import json
import re
from html import unescape

import pytest

from dashboard import event_pages
from jobs.outgoing import EVENTS
from tests.test_kind_pages import running  # noqa: F401
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    Person,
    browser,
    editor,
    installation,
    viewer,
    web_build,
)


def told(page: str) -> list[dict[str, object]]:
    """What the page says is told of each event."""
    return [
        json.loads(unescape(re.sub(r"</?bdi>", "", text)))
        for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    ]


def test_events_are_shown_as_they_are_told(editor: Person, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    empty = editor.get("/events").text
    assert ("Nothing happened yet" in empty, "curl -sS" in empty, "waymark job events" in empty) == (True, True, True)
    private = {"customer_name": "Canary", "customer_phone": "+49 30 1234567", "item": "Bicycle"}
    assert editor.send("/jobs", reference="طلب/7", kind="repair", **private).status_code == 303
    assert editor.send("/jobs", reference="<R-1>", kind="repair").status_code == 303
    assert editor.send("/jobs/%3CR-1%3E/move", to="diagnosis", revision="1").status_code == 303
    page = editor.get("/events").text
    shown = [one | {"at": ""} for one in told(page)]
    known = [one | {"at": ""} for one in editor.get("/api/v1/events").json()["events"]]
    assert shown == known[::-1]
    assert ("Canary" in page, "1234567" in page, "Bicycle" in page) == (False, False, False)
    assert 'href="/jobs/%D8%B7%D9%84%D8%A8%2F7"' in page

    moved = editor.get("/events", params={"event": "job.moved", "reference": "<R-1>"}).text
    assert [(one["event"], one["job"]["reference"]) for one in told(moved)] == [("job.moved", "<R-1>")]  # type: ignore[index]
    assert "waymark job events --event job.moved --job &#39;&lt;R-1&gt;&#39;" in moved
    for nothing in ({"reference": "R-2"}, {"shop": "None such"}, {"reference": "\x00"}):
        found = editor.get("/events", params=nothing)
        assert (found.status_code, "No event is like that" in found.text) == (200, True)

    monkeypatch.setattr(event_pages, "PAGE_SIZE", 2)
    first = editor.get("/events").text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = editor.get(unescape(older[1])).text
    assert [one["id"] for one in told(first) + told(second)] == [one["id"] for one in told(page)]
    assert ('rel="next"' in second, 'rel="prev"' in second) == (False, True)

    assert editor.send("/jobs/%3CR-1%3E/delete").status_code == 303
    after = editor.get("/events").text
    assert [one["event"] for one in told(after)] == ["job.deleted", "job.created"]
    assert "/jobs/%3CR-1%3E" not in after


def test_a_viewer_may_look(viewer: Person) -> None:  # noqa: F811
    assert viewer.get("/events").status_code == 200


def test_each_event_there_is_has_words() -> None:
    assert tuple(event_pages.WORDS) == EVENTS
