"""The same code on two short domains: every page, form and address keeps to the one that ``?domain=`` names."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.conftest import config_in, local_owner, running_app
from tests.test_pages import Person
from waymark.config import Config

API = "/api/v1"
OTHER = {"domain": "go.example"}
PAGES = ("", "/history", "/rules", "/simulate", "/organise", "/qr")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("two_domains") / "data")


@pytest.fixture(scope="module")
def app(installation: Config) -> Iterator[TestClient]:
    with running_app(installation) as running:
        running.headers.update(local_owner(installation))
        assert running.post(f"{API}/domains", json={"address": "https://go.example"}).status_code == 201
        for domain, where in (("w.example", "main"), ("go.example", "other")):
            code = {"destination": f"https://example.com/{where}", "slug": "menu", "domain": domain, "name": where}
            assert running.post(f"{API}/codes", json=code).status_code == 201
        del running.headers["Authorization"]
        yield running


@pytest.fixture
def editor(app: TestClient, installation: Config) -> Iterator[Person]:
    app.cookies.clear()
    yield Person(app, installation, "editor")
    app.cookies.clear()


def told(app: TestClient, installation: Config, path: str = "", **query: str) -> Any:
    answer = app.get(f"{API}/codes/menu{path}", params=query, headers=local_owner(installation))
    assert answer.status_code == 200, answer.text
    return answer.json()


def addresses(text: str) -> set[str]:
    """Of this code's pages, forms, files and scans, as the page names them."""
    found = {unescape(address) for address in re.findall(r'(?:href|action|src|data-live)="([^"]+)"', text)}
    return {address for address in found if re.match(r"(/api/v1)?/codes/menu|/api/v1/live", address)}


@pytest.mark.parametrize("page", PAGES)
def test_every_address_of_a_page_keeps_the_domain(editor: Person, page: str) -> None:
    shown = editor.get(f"/codes/menu{page}", params=OTHER)
    assert shown.status_code == 200
    assert "other" in shown.text
    found = addresses(shown.text)
    assert found
    asking = re.compile(r'<form[^>]*method="get"[^>]*action="(/codes/menu[^"?]*)[^>]*>(.*?)</form>', re.DOTALL)
    for _address, form in asking.findall(shown.text):  # a browser drops the query of such a form's address
        assert '<input type="hidden" name="domain" value="go.example">' in form
    for address in found - {address for address, _form in asking.findall(shown.text)}:
        assert parse_qs(urlsplit(address).query).get("domain") == ["go.example"], address
    plain = editor.get(f"/codes/menu{page}").text
    assert not any("domain=" in address for address in addresses(plain))


def test_each_form_changes_the_code_of_its_domain_alone(editor: Person, app: TestClient, installation: Config) -> None:
    before = told(app, installation)
    query = "?domain=go.example"

    def sent(path: str, **fields: str) -> None:
        answer = editor.send(f"/codes/menu{path}{query}", **fields)
        assert answer.status_code == 303, (path, answer.text)
        assert answer.headers["location"].endswith(query), path

    sent("/retarget", destination="https://example.com/second")
    assert told(app, installation, **OTHER)["destination"] == "https://example.com/second"
    sent("/undo")
    sent("/edit", name="Bar", tags="x")
    rule = {"r0-name": "fr", "r0-c0-kind": "country", "r0-c0-values": "FR", "r0-w0-to": "https://example.com/fr"}
    sent("/rules", do="save", **rule)
    sent("/options", utm_source="poster")
    sent("/rollback", version="1")
    sent("/guard", guard="off")
    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M")
    sent("/schedule", destination="https://example.com/later", at=later, zone="UTC")
    [planned] = told(app, installation, "/schedule", **OTHER)["scheduled"]
    sent(f"/schedule/{planned['id']}/cancel")
    sent("/organise", campaign="", placement="", printed="")
    sent("/archive", archived="1")
    sent("/archive", archived="")
    assert told(app, installation) == before
    other = told(app, installation, **OTHER)
    assert (other["name"], other["version"], other["destination"]) == ("Bar", 6, "https://example.com/other")


def test_the_symbol_and_the_simulation_are_of_its_domain(editor: Person) -> None:
    shown = editor.send("/codes/menu/qr?domain=go.example", do="preview")
    assert "https://go.example/menu" in shown.text
    tried = editor.get("/codes/menu/simulate", params={**OTHER, "version": "1"})
    assert "https://example.com/other" in tried.text
    assert "https://example.com/main" in editor.get("/codes/menu/simulate", params={"version": "1"}).text


def test_the_list_leads_to_both_and_an_unknown_domain_to_none(editor: Person) -> None:
    listed = unescape(editor.get("/codes").text)
    assert 'href="/codes/menu"' in listed
    assert 'href="/codes/menu?domain=go.example"' in listed
    missing = editor.get("/codes/menu", params={"domain": "no.example"}, headers={"accept": "text/html"})
    assert missing.status_code == 404
    assert "on no.example" in missing.text


def test_a_new_code_on_another_domain_leads_to_its_own_page(editor: Person) -> None:
    made = editor.send("/codes", destination="https://example.com/", slug="fresh", domain="go.example")
    assert made.headers["location"] == "/codes/fresh?domain=go.example"


def test_labels_are_of_the_domain_they_were_asked_for(editor: Person) -> None:
    page = unescape(editor.get("/codes/menu", params=OTHER).text)
    address = re.search(r'href="(/labels\?[^"]+)"', page)
    assert address is not None
    form = editor.get(address.group(1)).text
    assert "<option selected>go.example</option>" in form
