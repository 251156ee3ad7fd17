"""The pages of message templates: which are the shop's own, a preview that is counted, and the way back; then the whole way
from both settings pages to what a customer reads, through a real Waymark.
"""

import html
import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.conftest import running_app
from tests.running import Running, wait_for
from tests.test_job_process import signed_in
from tests.test_kind_pages import fields_in
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

READY = "/shops/1/templates/ready/sms/en"


@pytest.fixture(scope="module")
def running(installation: Config) -> Iterator[TestClient]:  # noqa: F811
    """An app of its own: these tests change templates."""
    with running_app(installation) as app:
        app.headers.update(BROWSER)
        yield app


@pytest.fixture(autouse=True)
def a_shop(running: TestClient, editor: Person) -> None:  # noqa: F811
    assert editor.get("/shops").status_code == 200  # there always is one


def part(page: httpx2.Response, name: str) -> str:
    """The words in the element of this id, without markup."""
    found = re.search(rf'id="{name}".*?>(.*?)</div>', page.text, re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip()


def text_of(page: httpx2.Response) -> str:
    found = re.search(r'<textarea[^>]*id="f-text"[^>]*>\n?(.*?)</textarea>', page.text, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def save(person: Person, path: str, **fields: str) -> httpx2.Response:
    """As the form does it that was opened just now."""
    return person.send(path, version=hidden(person.get(path), "version"), do="save", **fields)


def test_the_list_says_which_are_the_shop_s_own(editor: Person) -> None:  # noqa: F811
    page = editor.get("/shops/1/templates")
    assert len(re.findall(r'href="/shops/1/templates/\w+/\w+/\w+"', page.text)) == 72
    assert "Your own" not in page.text
    assert save(editor, READY, text="Come and get it").status_code == 303
    page = editor.get("/shops/1/templates")
    assert re.findall(r'href="([^"]+)" class="own"', page.text) == [READY]
    assert "1 text is your own" in page.text
    assert "Come and get it" in page.text
    assert editor.send(f"{READY}/reset").status_code == 303
    assert 'class="own"' not in editor.get("/shops/1/templates").text


def test_a_draft_is_shown_and_counted_without_being_kept(editor: Person) -> None:  # noqa: F811
    before = text_of(editor.get(READY))
    shown = editor.send(READY, text="{item}: {stage} {reference}", do="look")
    assert (shown.status_code, "Not saved yet." in shown.text) == (200, True)
    assert part(shown, "preview") == "Bicycle: Ready for pick-up R-1042"
    assert part(shown, "length").startswith("33 characters, 1 SMS (GSM-7)Room for 127 more characters")
    assert text_of(shown) == "{item}: {stage} {reference}"
    dear = editor.send(READY, text="x" * 69 + "😀", do="look")
    assert part(dear, "length").startswith("71 characters, 2 SMS (UCS-2)")
    assert "Because of 😀 an SMS holds 70 characters instead of 160" in part(dear, "length")
    assert text_of(editor.get(READY)) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("See {traking}", "There is no variable {traking}: did you mean {tracking}?"),
        ("See {tracking", "has no }"),
        ("", "A message has 1 to 2000 characters"),
        ("x" * 2001, "this one has 2001"),
    ],
)
@pytest.mark.parametrize(("button", "status"), [("save", 422), ("look", 200)])
def test_a_text_that_cannot_be_filled_is_refused_beside_it_and_stays(
    editor: Person,  # noqa: F811
    text: str,
    words: str,
    button: str,
    status: int,
) -> None:
    refused = editor.send(READY, text=text, do=button)
    assert (refused.status_code, text_of(refused)) == (status, text)
    said = re.search(r'id="f-text-error">(.*?)</p>', refused.text)
    assert said is not None
    assert words in html.unescape(said[1])
    assert words in part(refused, "preview")
    assert editor.get(f"/api/v1{READY}").json()["own"] is False


def test_an_e_mail_has_a_subject_and_no_count(editor: Person) -> None:  # noqa: F811
    path = "/shops/1/templates/late/email/ar"
    refused = save(editor, path, text="{item}", subject="{shp}")
    assert (refused.status_code, 'id="f-subject-error"' in refused.text, 'id="f-text-error"' in refused.text) == (
        422, True, False
    )  # fmt: skip
    assert 'value="{shp}"' in refused.text
    assert save(editor, path, text="{item}\r\n{stage}", subject="{shop}: {reference}").status_code == 303
    page = editor.get(path)
    assert (text_of(page), part(page, "length")) == ("{item}\n{stage}", "")
    assert 'dir="rtl"' in page.text
    assert "R-1042" in part(page, "preview")
    assert "Your own, changed" in page.text


def test_going_back_to_the_built_in_text_is_asked_first(editor: Person) -> None:  # noqa: F811
    came = text_of(editor.get(READY))
    assert f'href="{READY}/reset"' not in editor.get(READY).text
    assert save(editor, READY, text="Ours").status_code == 303
    assert f'href="{READY}/reset"' in editor.get(READY).text
    assert html.escape(came) in editor.get(f"{READY}/reset").text
    assert text_of(editor.get(READY)) == "Ours"
    for _tap in range(2):
        assert editor.send(f"{READY}/reset").status_code == 303
        assert text_of(editor.get(READY)) == came


def test_of_two_who_write_the_same_text_the_second_loses_nothing(editor: Person) -> None:  # noqa: F811
    path = "/shops/1/templates/late/sms/en"
    began = hidden(editor.get(path), "version")
    assert save(editor, path, text="Theirs: {item}").status_code == 303
    looked = editor.send(path, text="Mine: {item}", version=began, do="look")
    assert hidden(looked, "version") == began
    refused = editor.send(path, text="Mine: {item}", version=began, do="save")
    assert (refused.status_code, text_of(refused)) == (409, "Mine: {item}")
    assert 'role="alert">Somebody else has changed this text meanwhile; yours was not saved.' in refused.text
    now = refused.text.partition("What it says now")[2].partition("</section>")[0]
    assert "Theirs: {item}" in now
    assert text_of(editor.get(path)) == "Theirs: {item}"
    again = editor.send(path, text=text_of(refused), version=hidden(refused, "version"), do="save")
    assert (again.status_code, text_of(editor.get(path))) == (303, "Mine: {item}")
    assert "What it says now" not in editor.get(path).text
    assert editor.send(f"{path}/reset").status_code == 303


def test_a_viewer_reads_and_changes_nothing(viewer: Person) -> None:  # noqa: F811
    assert viewer.get("/shops/1/templates").status_code == 200
    page = viewer.get(READY)
    assert (page.status_code, 'name="do"' in page.text) == (200, False)
    for path in (READY, f"{READY}/reset"):
        assert viewer.send(path, text="evil", do="save").status_code == 403
    assert viewer.get(f"{READY}/reset").status_code == 403


@pytest.mark.parametrize("path", ["/x/templates", "/99/templates", "/1/templates/ready/fax/en", "/1/templates/ready/sms/xx",
                                  "/1/templates/never/sms/en", "/99/templates/ready/sms/en"])  # fmt: skip
def test_what_there_is_not_is_not_found(editor: Person, path: str) -> None:  # noqa: F811
    assert editor.get(f"/shops{path}").status_code == 404


def test_what_is_changed_on_the_pages_is_what_customers_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Running(tmp_path_factory.mktemp("settings")) as waymark:
        waymark.cli("job", "add", "R-1", "--item", "Bicycle")
        token = waymark.get("/jobs/R-1")["token"]
        wait_for(lambda: "Received" in customer_s_page(waymark, token), "the status page")
        with signed_in(waymark) as browser:
            fields = fields_in(browser.get("/kinds/repair").text) | {"s0-en": "Safely with us", "do": "save"}
            assert browser.post("/kinds/repair", data=fields).status_code == 303
            wait_for(lambda: "Safely with us" in customer_s_page(waymark, token), "the new name on the public port")
            shop = waymark.get("/shops")["shops"][0]["id"]
            path = f"/shops/{shop}/templates/created/sms/en"
            told = fields_in(browser.get(path).text) | {"text": "{item} arrived: {stage}. {tracking}", "do": "save"}
            assert browser.post(path, data=told).status_code == 303
            link = waymark.get("/jobs/R-1")["short_url"]
            assert f"Bicycle arrived: Safely with us. {link}" in browser.get("/jobs/R-1").text


def customer_s_page(waymark: Running, token: str) -> str:
    url = f"http://127.0.0.1:{waymark.public_port}/j/{token}"
    return httpx2.get(url, headers={"Accept-Language": "en"}, trust_env=False, timeout=30).text
