"""The pages of shops: settings that customers see, tracking in plain words and asked before, wiping by the typed name."""

import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.conftest import local_owner, running_app
from tests.running import wait_for
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    BROWSER,
    Person,
    browser,
    editor,
    hidden,
    installation,
    owner,
    viewer,
    web_build,
)
from waymark.config import Config

GOOD = {
    "name": "Radio Repair",
    "phone": "+49 30 1234567",
    "whatsapp": "+49 151 1234567",
    "email": "hello@example.org",
    "country": "de",
    "zone": "Europe/Berlin",
    "address": "Main Street 1\nBerlin",
    "hours": "mon-fri 09:00-12:00 13:00-18:00\nsat 10:00-14:00",
    "holidays": "2026-12-24 to 2026-12-26 Christmas\n2027-01-01",
    "language": "fr",
    "in_en": "1",
    "show_note": "1",
}


@pytest.fixture(scope="module")
def running(installation: Config) -> Iterator[TestClient]:  # noqa: F811
    """An app of its own: these tests wipe shops."""
    with running_app(installation) as app:
        app.headers.update(BROWSER)
        yield app


def shop_of(person: Person, name: str) -> str:
    """A new shop's page."""
    made = person.send("/shops", name=name)
    assert made.status_code == 303, made.text
    return str(made.headers["location"])


def test_there_always_is_a_shop_and_it_can_be_changed(editor: Person) -> None:  # noqa: F811
    listed = editor.get("/shops")
    path = re.search(r'href="(/shops/\d+)"', listed.text)
    assert path is not None
    saved = editor.send(path[1], **GOOD)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path[1]}?saved=1")
    kept = editor.get(f"/api/v1{path[1]}").json()
    plain = ("name", "phone", "whatsapp", "email", "zone", "address")
    assert {name: kept[name] for name in plain} == {name: GOOD[name] for name in plain}
    assert (kept["country"], kept["languages"]) == ("DE", ["fr", "en"])
    assert (kept["show_note"], kept["show_photo"]) == (True, False)
    assert kept["opening_hours"]["fri"] == [["09:00", "12:00"], ["13:00", "18:00"]]
    assert kept["holidays"][0] == {"from": "2026-12-24", "until": "2026-12-26", "name": "Christmas"}
    page = editor.get(saved.headers["location"])
    assert "Saved." in page.text
    shown = {name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text) for name in ("phone", "zone")}
    assert {name: found and found[1] for name, found in shown.items()} == {
        "phone": GOOD["phone"],
        "zone": "Europe/Berlin",
    }
    assert "2026-12-24 to 2026-12-26 Christmas\n2027-01-01" in page.text
    assert editor.send(path[1], **{**GOOD, "hours": "", "holidays": ""}).status_code == 303
    cleared = editor.get(f"/api/v1{path[1]}").json()
    assert (cleared["opening_hours"], cleared["holidays"]) == (None, [])


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", ""),
        ("phone", "call me"),
        ("whatsapp", "0151 1"),
        ("email", "nowhere"),
        ("country", "Germany"),
        ("zone", "Mars/Base"),
        ("hours", "always"),
        ("holidays", "Christmas"),
        ("language", "xx"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_what_was_typed_stays(editor: Person, field: str, wrong: str) -> None:  # noqa: F811
    path = shop_of(editor, f"Refusing {field}")
    refused = editor.send(path, **{**GOOD, "name": f"Refusing {field} 2", field: wrong})
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert "Main Street 1\nBerlin" in refused.text
    assert editor.get(f"/api/v1{path}").json()["name"] == f"Refusing {field}"


def test_estimates_that_count_every_hour_say_so_once_and_where_to_change_it(editor: Person) -> None:  # noqa: F811
    shop = shop_of(editor, "Night Owl")
    for reference, due_at in (("N-1", ""), ("N-2", ""), ("promised", "2031-03-05T16:30")):
        made = editor.send("/jobs", reference=reference, kind="repair", shop="Night Owl", due_at=due_at)
        assert made.status_code == 303, made.text
    said = f'count every hour, day and night, until the shop has <a href="{shop}#f-hours">opening hours</a>.'
    board, job, promised = "/jobs?shop=Night+Owl", "/jobs/N-1?shop=Night+Owl", "/jobs/promised?shop=Night+Owl"
    assert editor.get(board).text.count(said) == editor.get(job).text.count(said) == 1
    assert "<bdi>Night Owl</bdi> count every hour" in editor.get(board).text
    for path in (promised, f"{board}&q=promised"):
        assert (editor.get(path).status_code, "count every hour" in editor.get(path).text) == (200, False)
    assert 'id="f-hours"' in editor.get(shop).text
    assert "empty: they count every hour" in editor.get(shop).text
    assert editor.send(shop, **GOOD | {"name": "Night Owl"}).status_code == 303
    for path in (board, job):
        assert "count every hour, day" not in editor.get(path).text


def test_a_logo_is_added_and_taken_away(editor: Person) -> None:  # noqa: F811
    path = shop_of(editor, "With a logo")
    picture = BytesIO()
    Image.new("RGB", (40, 30), "green").save(picture, "PNG")
    sent = {"logo": ("logo.png", picture.getvalue(), "image/png")}
    assert editor.browser.post(f"{path}/logo", files=sent).status_code == 403
    csrf = {"csrf": editor.csrf}
    assert editor.browser.post(f"{path}/logo", data=csrf, files=sent).status_code == 303
    assert f'src="/api/v1{path}/logo"' in editor.get(path).text
    refused = editor.browser.post(f"{path}/logo", data=csrf, files={"logo": ("logo.png", b"x", "image/png")})
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert editor.send(f"{path}/logo", gone="1").status_code == 303
    assert editor.get(f"/api/v1{path}/logo").status_code == 404


def test_tracking_is_frozen_withdrawn_and_switched_on_each_asked_before(editor: Person) -> None:  # noqa: F811
    path = shop_of(editor, "Tracked")
    assert editor.send("/jobs", shop="Tracked", reference="F-1", kind="repair").status_code == 303
    for to, words in (("frozen", "stay readable"), ("withdrawn", "410")):
        asked = editor.get(f"{path}/tracking/{to}")
        assert (asked.status_code, words in asked.text) == (200, True)
        assert editor.get(f"/api/v1{path}").json()["tracking"] != to
        assert editor.send(f"{path}/tracking/{to}").status_code == 303
        assert editor.get(f"/api/v1{path}").json()["tracking"] == to
    assert editor.send("/jobs", shop="Tracked", reference="F-2", kind="repair").status_code == 303
    assert "No code yet" in editor.get("/jobs/F-2?shop=Tracked").text
    assert editor.send(f"{path}/tracking/on").status_code == 303
    wait_for(lambda: "/j/" in editor.get("/jobs/F-2?shop=Tracked").text, "the missing code")
    assert editor.get(f"{path}/tracking/upside-down").status_code == 404


def test_a_wipe_counts_offers_the_export_and_takes_the_typed_name(owner: Person) -> None:  # noqa: F811
    path = shop_of(owner, "Wiped & gone")
    for reference in ("W-1", "W-2"):
        assert owner.send("/jobs", shop="Wiped & gone", reference=reference, kind="repair").status_code == 303
    page = owner.get(f"{path}/wipe")
    assert "2 jobs" in page.text
    assert "/api/v1/jobs/export.ndjson?shop=Wiped" in page.text
    refused = owner.send(f"{path}/wipe", confirm="Wiped")
    assert (refused.status_code, "nothing was deleted" in refused.text) == (409, True)
    assert owner.get(f"/api/v1{path}").json()["jobs"] == 2
    assert owner.send(f"{path}/wipe", confirm="Wiped & gone").status_code == 303
    wait_for(lambda: owner.get(f"/api/v1{path}").json()["jobs"] == 0, "the wipe")
    assert "Wiping: done" in wait_for(lambda: _shown(owner, path, "Wiping: done"), "the end of the wipe")


def _shown(person: Person, path: str, words: str) -> str:
    text = person.get(path).text
    return text if words in text else ""


def test_an_editor_may_not_wipe(editor: Person) -> None:  # noqa: F811
    path = shop_of(editor, "Kept")
    assert f'href="{path}/wipe"' not in editor.get(path).text
    assert editor.get(f"{path}/wipe").status_code == 403
    assert editor.send(f"{path}/wipe", confirm="Kept").status_code == 403


def test_a_viewer_sees_what_customers_see_and_no_form(
    viewer: Person,  # noqa: F811
    installation: Config,  # noqa: F811
) -> None:
    local = local_owner(installation)
    shop_id = viewer.get("/api/v1/shops", headers=local).json()["shops"][0]["id"]
    for path in ("/shops", f"/shops/{shop_id}"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert 'action="/shops' not in page.text
    assert viewer.send(f"/shops/{shop_id}", **GOOD).status_code == 403
    assert viewer.send("/shops", name="New").status_code == 403
    assert viewer.send(f"/shops/{shop_id}/tracking/withdrawn").status_code == 403
    assert viewer.send("/staff/end-all").status_code == 403
    assert viewer.get("/shops/999999").status_code == 404
    assert viewer.get("/shops/x").status_code == 404
