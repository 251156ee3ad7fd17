"""The board of jobs, the page staff move a job on with, and the shop's settings: forms, roles, what viewers never see."""

import re
from html import unescape
from io import BytesIO
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

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

SECRETS = {
    "customer_name": "Canary Name",
    "customer_phone": "+49 30 5550000",
    "customer_email": "canary@example.org",
    "customer_address": "Canary Street 1",
    "price": "canary-price",
    "deposit": "canary-deposit",
    "serial": "canary-serial",
    "passcode": "canary-passcode",
    "accessories": "canary-accessories",
    "internal_note": "canary-internal",
    "technician": "canary-technician",
}


def photo() -> bytes:
    made = BytesIO()
    Image.new("RGB", (40, 30), "green").save(made, "PNG")
    return made.getvalue()


def make(person: Person, reference: str, **fields: str) -> str:
    """The address of the new job's page."""
    made = person.send("/jobs", reference=reference, kind="repair", **fields)
    assert made.status_code == 303, made.text
    return str(made.headers["location"])


def move(person: Person, path: str, to: str) -> None:
    revision = hidden(person.get(path), "revision")
    assert person.send(f"{path}/move", to=to, revision=revision).status_code == 303


def test_a_reference_is_enough_for_a_job_with_its_page_and_qr(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-1")
    page = editor.get(path)
    assert page.status_code == 200
    assert "https://w.example/j/" in page.text
    assert 'src="/api/v1/jobs/R-1/qr.svg"' in page.text
    assert editor.get("/api/v1/jobs/R-1/qr.svg").headers["content-type"].startswith("image/svg")
    assert 'href="/jobs/R-1"' in editor.get("/jobs").text


def test_a_new_job_never_changes_one_that_is_there(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-2", item="Bicycle")
    again = editor.send("/jobs", reference="R-2", kind="repair", item="Kettle")
    assert (again.status_code, 'role="alert"' in again.text, "R-2" in again.text) == (422, True, True)
    assert "Kettle" not in editor.get(path).text


@pytest.mark.parametrize("fields", [{"reference": ""}, {"reference": ".."}, {"reference": "R-3", "due_at": "soon"}])
def test_a_job_that_cannot_be_made_says_why_and_keeps_what_was_typed(editor: Person, fields: dict[str, str]) -> None:  # noqa: F811
    refused = editor.send("/jobs", kind="repair", item="Red kettle", **fields)
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert "Red kettle" in refused.text


def test_stages_move_by_one_tap_and_a_wrong_tap_is_taken_back(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-4")
    first = editor.get(path)
    assert 'name="to" value="diagnosis"' in first.text
    revision = hidden(first, "revision")
    moved = editor.send(f"{path}/move", to="diagnosis", revision=revision)
    assert (moved.status_code, moved.headers["location"]) == (303, f"{path}?moved=1")
    after = editor.get(moved.headers["location"])
    assert "Moved to Diagnosis." in after.text
    assert "Back to Intake" in after.text
    twice = editor.send(f"{path}/move", to="diagnosis", revision=revision)
    assert twice.status_code == 303  # a second tap on the same button
    stale = editor.send(f"{path}/move", to="repair", revision=revision)
    assert (stale.status_code, "somebody changed it meanwhile" in stale.text) == (409, True)
    move(editor, path, "intake")
    stages = [entry["to_stage"] for entry in editor.get("/api/v1/jobs/R-4/history").json()["moves"]]
    assert stages == ["intake", "diagnosis", "intake"]


def test_back_undoes_a_jump_to_where_it_came_from(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-5")
    move(editor, path, "parts")
    assert "Back to Intake" in editor.get(path).text
    move(editor, path, "ready")
    page = editor.get(path).text
    assert "Back to Waiting for parts" in page
    refused = editor.send(f"{path}/move", to="nowhere")
    assert (refused.status_code, "no stage" in refused.text) == (422, True)


def test_a_finished_job_leaves_the_board_for_the_done_ones(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-6", item="Old lamp")
    last = "picked-up"
    move(editor, path, last)
    assert f'href="{path}"' not in editor.get("/jobs").text
    assert f'href="{path}"' in editor.get("/jobs?show=done").text
    assert "Back to Intake" in editor.get(path).text


def test_late_jobs_come_first_and_say_so(editor: Person) -> None:  # noqa: F811
    make(editor, "R-7a")
    late = make(editor, "R-7b", due_at="2026-01-05T10:00")
    page = editor.get("/jobs?q=R-7").text
    assert page.index("R-7b</bdi>") < page.index("R-7a</bdi>")
    assert "1 late" in page
    assert "standing-late" in editor.get(late).text


def test_the_board_narrows_by_words_kind_and_customer(editor: Person) -> None:  # noqa: F811
    make(editor, "R-8", item="Green bicycle", customer_name="Wanda Wheel")
    assert editor.send("/jobs", reference="T-8", kind="ticket").status_code == 303
    for asked, found in (("q=green+bicycle", "R-8"), ("q=wanda", "R-8"), ("kind=ticket", "T-8")):
        page = editor.get(f"/jobs?{asked}").text
        assert f'href="/jobs/{found}"' in page
        assert page.count("job-link") == 1, asked
    assert "No job is like that" in editor.get("/jobs?q=nothing-like-this").text


def test_what_customers_read_and_what_is_private_are_kept(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-9")
    revision = hidden(editor.get(path), "revision")
    due = {"due_at": "2027-03-01T15:00"}
    saved = editor.send(f"{path}/edit", item="Radio", public_note="One\nTwo", language="fr", revision=revision, **due)
    assert saved.status_code == 303, saved.text
    assert editor.send(f"{path}/details", **SECRETS).status_code == 303
    kept = editor.get("/api/v1/jobs/R-9").json()
    assert (kept["item"], kept["public_note"], kept["language"]) == ("Radio", "One\nTwo", "fr")
    assert kept["due_at"].startswith("2027-03-01T15:00")
    assert {name: kept[name] for name in SECRETS} == SECRETS
    page = editor.get(path).text
    assert all(text in page for text in SECRETS.values())
    assert 'href="tel:+49305550000"' in page
    stale = editor.send(f"{path}/edit", item="Other", revision=revision)
    assert (stale.status_code, "Other" in stale.text) == (409, True)
    assert editor.send(f"{path}/edit", item="Radio", public_note="", language="").status_code == 303
    assert editor.get("/api/v1/jobs/R-9").json()["due_at"] is None


def private_form_as_it_stands(page: str) -> dict[str, str]:
    """What a browser sends of the form of what is private when nobody has touched it."""
    [page] = [form for form in page.split("<form")[1:] if "/details" in form.partition(">")[0]]
    began = {name: unescape(value) for name, value in re.findall(r'name="(was\.\w+)" value="([^"]*)"', page)}
    found = re.search(r'name="revision" value="(\d+)"', page)
    assert found is not None
    untouched = {name.removeprefix("was."): value.replace("\n", "\r\n") for name, value in began.items()}
    return {**began, **untouched, "revision": found[1]}


def test_saving_again_after_a_conflict_keeps_what_others_wrote(editor: Person) -> None:  # noqa: F811
    """Only what was typed is kept for it; the rest of the form is as the job is now."""
    path = make(editor, "R-91")
    editor.send(f"{path}/details", internal_note="before\nnoon", customer_name="Somebody")
    form = private_form_as_it_stands(editor.get(path).text)
    assert (form["internal_note"], form["was.internal_note"]) == ("before\r\nnoon", "before\nnoon")
    assert editor.send(f"{path}/details", internal_note="the till's").status_code == 303
    refused = editor.send(f"{path}/details", **{**form, "customer_name": "Typed"})
    assert (refused.status_code, 'value="Typed"' in refused.text) == (409, True)
    again = {**private_form_as_it_stands(refused.text), "customer_name": "Typed"}
    assert again["internal_note"] == "the till's"
    assert re.search(r">\s*the till&#39;s</textarea>", refused.text)
    assert editor.send(f"{path}/details", **again).status_code == 303
    kept = editor.get("/api/v1/jobs/R-91").json()
    assert (kept["customer_name"], kept["internal_note"]) == ("Typed", "the till's")


def test_a_mistyped_form_does_not_pass_over_what_others_wrote(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-92")
    revision = hidden(editor.get(path), "revision")
    assert editor.send(f"{path}/edit", item="Theirs", public_note="", language="").status_code == 303
    mistyped = {"item": "Mine", "due_at": "soon", "revision": revision}
    refused = editor.send(f"{path}/edit", **mistyped)
    assert refused.status_code == 422
    form = refused.text.partition(f'action="{path}/edit"')[2]
    assert f'name="revision" value="{revision}"' in form.partition("</form>")[0]
    assert editor.send(f"{path}/edit", item="Mine", revision=revision).status_code == 409
    assert editor.get("/api/v1/jobs/R-92").json()["item"] == "Theirs"


def test_a_photo_is_added_and_taken_away(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-10")
    file = {"photo": ("item.png", photo(), "image/png")}
    assert editor.browser.post(f"{path}/photo", files=file).status_code == 403
    csrf = {"csrf": editor.csrf}
    assert editor.browser.post(f"{path}/photo", data=csrf, files=file).status_code == 303
    assert editor.get("/api/v1/jobs/R-10/photo").headers["content-type"] == "image/jpeg"
    assert 'src="/api/v1/jobs/R-10/photo"' in editor.get(path).text
    text = {"photo": ("item.png", b"no picture", "image/png")}
    refused = editor.browser.post(f"{path}/photo", data=csrf, files=text)
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert editor.send(f"{path}/photo", gone="1").status_code == 303
    assert editor.get("/api/v1/jobs/R-10/photo").status_code == 404


def test_a_viewer_sees_stages_but_nothing_private_no_link_and_no_button(
    editor: Person,  # noqa: F811
    browser: TestClient,  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
    path = make(editor, "R-11", item="Clock")
    assert editor.send(f"{path}/details", **SECRETS).status_code == 303
    token = editor.get("/api/v1/jobs/R-11").json()["token"]
    person: Person = request.getfixturevalue("viewer")
    for address in (path, "/jobs", f"/jobs?q={SECRETS['passcode']}"):
        page = person.get(address)
        assert page.status_code == 200
        shown = page.text.replace(f'value="{SECRETS["passcode"]}"', "")  # what they searched for themselves
        assert not [text for text in SECRETS.values() if text in shown], address
        assert token not in page.text
        assert f'action="{path}' not in page.text
    assert "Diagnosis" in person.get(path).text
    assert "/jobs/R-11" not in person.get(f"/jobs?q={SECRETS['passcode']}").text
    assert "/jobs/R-11" not in person.get(f"/jobs?q={token}").text
    assert "/jobs/R-11" in person.get("/jobs?q=r+ll").text
    assert 'name="job"' not in person.get("/jobs").text
    assert person.get("/stickers").status_code == 403
    for action in ("move", "edit", "details", "photo", "delete"):
        assert person.send(f"{path}/{action}", to="ready").status_code == 403
    assert person.send("/jobs", reference="R-12").status_code == 403


def test_messages_open_ready_to_send_with_one_tap(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-15", item="Clock & case")
    bare = editor.get(path).text
    assert 'href="sms:?&amp;body=' in bare  # the app asks for a recipient
    editor.send(f"{path}/details", customer_phone="+49 30 5550000", customer_email="canary@example.org")
    page = editor.get(path).text
    short_url = editor.get("/api/v1/jobs/R-15").json()["short_url"]
    for start in (
        "sms:+49305550000?&amp;body=",
        "https://wa.me/49305550000?text=",
        "mailto:canary@example.org?subject=",
    ):
        found = re.search(rf'href="({re.escape(start)}[^"]*)"', page)
        assert found is not None, start
        assert quote(short_url, safe="") in found[1]
    assert "SMS (GSM-7)" in page


def test_a_job_is_deleted_after_being_asked(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-17", item="Broken toaster")
    asked = editor.get(f"{path}/delete")
    assert (asked.status_code, "Broken toaster" in asked.text) == (200, True)
    assert editor.browser.post(f"{path}/delete").status_code == 403
    assert editor.get(path).status_code == 200
    assert editor.send(f"{path}/delete").headers["location"] == "/jobs"
    assert editor.get(path).status_code == 404


def test_two_shops_may_use_the_same_reference(editor: Person) -> None:  # noqa: F811
    make(editor, "R-18", item="Of the first")
    assert editor.send("/shops", name="Second & last").status_code == 303
    second = make(editor, "R-18", item="Of the second", shop="Second & last")
    assert second == "/jobs/R-18?shop=Second+%26+last"
    page = editor.get(second)
    assert "Of the second" in page.text
    action = '/jobs/R-18/move?shop=Second+%26+last"'
    assert f'action="{action}' in page.text
    moved = editor.send("/jobs/R-18/move?shop=Second+%26+last", to="diagnosis", revision=hidden(page, "revision"))
    assert moved.headers["location"] == f"{second}&moved=1"
    assert editor.get("/api/v1/jobs/R-18").json()["stage"] == "intake"
    assert editor.send("/jobs/R-18/details?shop=Second+%26+last", price="5").status_code == 303
    assert editor.get("/api/v1/jobs/R-18?shop=Second+%26+last").json()["price"] == "5"
    assert editor.get("/api/v1/jobs/R-18").json()["price"] == ""
    assert "Of the first" not in editor.get("/jobs?shop=Second+%26+last").text


def test_slips_and_the_history_can_be_taken_along(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-16")
    links = re.findall(r'href="(/api/v1/jobs/R-16/[^"]+)"', editor.get(path).text)
    assert len(links) == 8
    for link in links:
        assert editor.get(link).status_code == 200, link


def test_the_code_on_the_slip_leads_to_the_job(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-13")
    token = editor.get("/api/v1/jobs/R-13").json()["token"]
    found = editor.get(f"/jobs/by-code/{token.upper()}")
    assert (found.status_code, found.headers["location"]) == (303, path)
    assert editor.get("/jobs/by-code/0000000000000000").status_code == 404


def test_nobody_signed_in_sees_any_of_it(browser: TestClient) -> None:  # noqa: F811
    for path in ("/jobs", "/jobs/R-1", "/jobs/by-code/abc"):
        assert browser.get(path).headers["location"].startswith("/login?next=")
    assert browser.post("/jobs/R-1/move", data={"to": "ready"}).headers["location"] == "/login"


def test_a_form_of_another_site_moves_nothing(editor: Person) -> None:  # noqa: F811
    path = make(editor, "R-14")
    assert editor.browser.post(f"{path}/move", data={"to": "ready"}).status_code == 403
    assert editor.get("/api/v1/jobs/R-14").json()["stage"] == "intake"
