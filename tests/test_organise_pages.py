"""The pages under Organise: forms that create, refuse and archive; an upload from preview to import; roles."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import local_owner
from tests.running import wait_for
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    Person,
    browser,
    editor,
    hidden,
    installation,
    owner,
    running,
    viewer,
    web_build,
)
from waymark.config import Config

THINGS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("/campaigns", {"name": "Spring", "source": "poster", "cost": "12.50 EUR"}, {"name": "", "cost": "much"}),
    ("/placements", {"venue": "Bar", "spot": "Door", "zone": "Europe/Paris"}, {"venue": "Bar", "zone": "Mars"}),
    ("/batches", {"name": "May", "printed_on": "2026-05-01", "quantity": "5"}, {"name": "May", "quantity": "-"}),
    ("/domains", {"address": "https://go.example"}, {"address": "https://go.example/path"}),
]


@pytest.mark.parametrize(("path", "good", "bad"), THINGS)
def test_a_thing_from_its_form_to_the_archive(
    owner: Person,  # noqa: F811
    browser: TestClient,  # noqa: F811
    path: str,
    good: dict[str, str],
    bad: dict[str, str],
) -> None:
    csrf = {"csrf": hidden(browser.get(path))}
    refused = browser.post(path, data={**bad, **csrf})
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    made = browser.post(path, data={**good, **csrf})
    assert made.status_code == 303, made.text
    own = made.headers["location"]
    assert browser.get(own).status_code == 200
    fields = {**good, "not_found_url": "https://example.com/lost"}
    assert browser.post(own, data={**fields, **csrf}).status_code == 303
    assert browser.post(f"{own}/archive", data={"archived": "1", **csrf}).status_code == 303
    assert "archived" in browser.get(own).text
    assert f'href="{own}"' not in browser.get(path).text
    assert f'href="{own}"' in browser.get(f"{path}?archived=1").text
    assert browser.post(f"{own}/archive", data={"archived": "", **csrf}).status_code == 303
    assert browser.get(f"{path}/no-such-thing").status_code == 404
    assert browser.post(path, data=good).status_code == 403


def test_a_code_gets_its_campaign_and_is_archived(
    owner: Person,  # noqa: F811
    browser: TestClient,  # noqa: F811
) -> None:
    csrf = {"csrf": hidden(browser.get("/codes/spring/organise"))}
    browser.post("/campaigns", data={"name": "Autumn", **csrf})
    given = {"campaign": "Autumn", "placement": "", "printed": "1", **csrf}
    assert browser.post("/codes/spring/organise", data=given).status_code == 303
    assert "Autumn, printed" in browser.get("/codes/spring").text
    refused = browser.post("/codes/spring/archive", data={"archived": "1", **csrf})
    assert (refused.status_code, "printed" in refused.text) == (409, True)
    assert browser.post("/codes/spring/archive", data={"archived": "1", "force": "1", **csrf}).status_code == 303
    assert "/codes/spring" not in browser.get("/codes").text
    assert browser.post("/codes/spring/archive", data={"archived": "", **csrf}).status_code == 303


def test_an_upload_from_preview_to_import(
    owner: Person,  # noqa: F811
    browser: TestClient,  # noqa: F811
    installation: Config,  # noqa: F811
) -> None:
    csrf = {"csrf": hidden(browser.get("/exchange"))}
    file = {"file": ("old.csv", b"keyword,url\nOld_1,https://example.com/1\nOld_2,nonsense\n", "text/csv")}
    assert browser.post("/exchange", data={"format": "auto"}, files=file).status_code == 403
    sent = browser.post("/exchange", data={"format": "auto", **csrf}, files=file)
    assert sent.status_code == 303, sent.text
    own = sent.headers["location"]

    def shown(words: str) -> Any:
        page = browser.get(own)
        assert page.status_code == 200
        return page.text if words in page.text else None

    page = wait_for(lambda: shown("nothing is imported yet: 1 new"), "the preview")
    assert "Import 1 codes" in page
    assert browser.post(f"{own}/run", data=csrf).status_code == 303
    page = wait_for(lambda: shown("Imported: 1 new"), "the import")
    assert "errors.csv" in page
    headers = local_owner(installation)
    assert browser.get("/api/v1/codes/Old_1", headers=headers).json()["destination"] == "https://example.com/1"
    nothing = browser.post("/exchange", data=csrf, files={"file": ("x.csv", b"a,b\n1,2\n", "text/csv")})
    assert (nothing.status_code, "no known export" in nothing.text) == (422, True)


@pytest.mark.parametrize("path", ["/campaigns", "/placements", "/batches", "/domains", "/exchange"])
def test_viewers_see_and_change_nothing(
    viewer: Person,  # noqa: F811
    browser: TestClient,  # noqa: F811
    path: str,
) -> None:
    page = browser.get(path)
    assert page.status_code == 200
    assert f'action="{path}"' not in page.text
    assert browser.post(path, data={"name": "x"}).status_code == 403
