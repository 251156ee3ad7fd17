"""The page of how long jobs take."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import local_owner
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    Person,
    browser,
    editor,
    installation,
    running,
    viewer,
    web_build,
)
from waymark.config import Config


@pytest.fixture
def delivered(editor: Person, installation: Config) -> datetime:  # noqa: F811
    """A parcel, registered ten days ago and delivered 30 hours later: ten hours too late."""
    begun = (datetime.now(UTC) - timedelta(days=10)).replace(hour=9)
    entries = [
        {"op": "put", "reference": "T-1", "kind": "parcel", "due_at": (begun + timedelta(hours=20)).isoformat()},
        {"op": "deliver", "reference": "T-1"},
    ]
    times = (begun, begun + timedelta(hours=30))
    body = {"entries": [{**entry, "at": at.isoformat()} for entry, at in zip(entries, times, strict=True)]}
    told = editor.browser.post("/api/v1/jobs/batch", json=body, headers=local_owner(installation)).json()
    assert told["refused"] == 0
    return begun


def test_it_tells_times_and_promises_of_the_days_asked_for(
    viewer: Person,  # noqa: F811
    delivered: datetime,
) -> None:
    page = viewer.get("/job-times")
    assert page.status_code == 200
    assert "1 finished, 0 of 1 promises kept (0%)" in page.text
    assert "Registered" in page.text
    assert page.text.count(">30.0<") == 4  # open at all hours
    assert f'value="{datetime.now(UTC):%Y-%m-%d}"' in page.text
    before = (delivered - timedelta(days=1)).date()
    assert "No job moved in that time" in viewer.get(f"/job-times?from=2026-01-01&to={before}").text
    upto = (delivered + timedelta(hours=30)).date()
    assert "1 finished" in viewer.get(f"/job-times?from={upto}&to={upto}").text


def test_days_that_make_no_sense_are_said(viewer: Person) -> None:  # noqa: F811
    said = {"from=2026-02-02&to=2026-01-01": "swap them", "from=yesterday": "yesterday", "to=31.12.2026": "31.12.2026"}
    for asked, words in said.items():
        refused = viewer.get(f"/job-times?{asked}")
        alert = refused.text.partition('role="alert"')[2].partition("</p>")[0]
        assert (refused.status_code, words in alert, "T00:00" in alert) == (422, True, False), alert
        assert "No job moved" not in refused.text
