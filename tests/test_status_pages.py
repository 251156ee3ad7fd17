"""Status pages as a phone gets them from the real public process: from the scan to the page, and what never comes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from jobs.jobs import delete_job, expire_jobs, set_photo
from jobs.photos import photo_from
from jobs.register import Job
from redirector.records import View, parse_line
from tests.running import Running, wait_for
from tests.status_samples import ON, Answer, House, ask, in_database, path_of, picture

WHATSAPP = "WhatsApp/2.24.20.89 A"
MAX_PAGE_BYTES = 6 * 1024


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("status")) as running:
        yield running


@pytest.fixture(scope="module")
def house(waymark: Running) -> House:
    return House(waymark.data)


@pytest.fixture(scope="module")
def shop(house: House) -> int:
    return house.shop("Corner Repairs")


@pytest.fixture(scope="module")
def bicycle(waymark: Running, house: House, shop: int) -> Job:
    house.put("R-1042", shop="Corner Repairs", item="Bicycle, blue", public_note="Brake worn")
    job = house.move("R-1042", shop="Corner Repairs")
    page_of(waymark, job)
    return job


def page_of(waymark: Running, job: Job, **headers: str) -> Answer:
    """Once the public side knows of the job."""
    return wait_for(
        lambda: answer if (answer := ask(waymark.public_port, path_of(job), **headers)).status == 200 else None,
        f"the page of {job.reference}",
    )


def views(waymark: Running) -> list[View]:
    lines = [line for path in (waymark.data / "journal").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return [record for line in lines if isinstance(record := parse_line(line), View)]


def test_a_scan_leads_to_the_page(waymark: Running, bicycle: Job) -> None:
    scanned = ask(waymark.public_port, f"/{bicycle.token}")
    assert (scanned.status, scanned.headers["location"]) == (302, path_of(bicycle))
    page = ask(waymark.public_port, scanned.headers["location"], Accept_Language="en")
    assert page.status == 200
    assert "<h1><bdi>Being examined</bdi></h1>" in page.text


def test_the_page_says_everything_in_its_order(waymark: Running, bicycle: Job) -> None:
    text = ask(waymark.public_port, path_of(bicycle), Accept_Language="en").text
    parts = [
        "<header><bdi>Corner Repairs",
        "<h1><bdi>Being examined",
        "<b>On track</b>",
        "Estimated: <bdi>",
        "<li><bdi>Received</bdi>",
        "<li aria-current=step><bdi>Being examined</bdi>",
        "<li class=c><bdi>In repair</bdi>",
        "<li class=c><bdi>Picked up</bdi>",
        "Bicycle, blue",
        "R-1042",
        "Last updated: ",
        f'href="{path_of(bicycle)}/calendar.ics?hl=en"',
        f'href="webcal://localhost:{waymark.public_port}{path_of(bicycle)}/calendar.ics?hl=en"',
        'href="tel:+49301234567"',
        'href="https://wa.me/491511234567"',
        'href="mailto:hello@repairs.example"',
        'href="https://www.openstreetmap.org/search?query=Hauptstra%C3%9Fe%201%2C%2010827%20Berlin"',
        "<bdi dir=ltr>+49 30 1234567</bdi>",
        "<bdi dir=ltr>hello@repairs.example</bdi>",
        "<bdi>Hauptstraße 1</bdi><br><bdi>10827 Berlin</bdi>",
        'href="?hl=en"',
        'href="?hl=ar"',
        "This page is deleted 90 days after completion",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    # Neither opted in, nor announced before it is chosen.
    assert "Brake worn" not in text
    assert "Waiting for parts" not in text


def test_it_is_small_private_and_needs_nothing_else(waymark: Running, bicycle: Job) -> None:
    for language in ("en", "es", "fr", "ar"):
        page = ask(waymark.public_port, path_of(bicycle), Accept_Language=language, Accept_Encoding="gzip")
        assert int(page.headers["content-length"]) <= MAX_PAGE_BYTES
        assert "set-cookie" not in page.headers
        assert page.headers["cache-control"] == "private, no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-robots-tag"] == "noindex"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "'unsafe" not in page.headers["content-security-policy"]
        loaded = re.findall(r"<(?:script|img|link)[^>]*?(?:src|href)=[\"']?([^\"' >]+)", page.text)
        assert [address for address in loaded if not address.startswith(("/-/status-", "data:,"))] == []


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, br", "gzip"),
        ("br;q=1.0, gzip;q=0.8", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, br", None),
        ("br", None),
    ],
)
def test_it_is_compressed_for_those_who_can_read_that(
    waymark: Running, bicycle: Job, accepted: str, encoding: str | None
) -> None:
    page = ask(waymark.public_port, path_of(bicycle), Accept_Encoding=accepted)
    assert page.headers.get("content-encoding") == encoding
    assert "<h1>" in page.text


def test_the_script_is_small_and_never_changes_under_its_name(waymark: Running, bicycle: Job) -> None:
    page = ask(waymark.public_port, path_of(bicycle)).text
    [path] = re.findall(r"src=(/-/status-\w+\.js)", page)
    script = ask(waymark.public_port, path)
    assert (script.status, len(script.body) <= 1024) == (200, True)
    assert "immutable" in script.headers["cache-control"]
    assert ask(waymark.public_port, "/-/status-0.js").status == 404


LANGUAGES = [
    ("", None, "en"),  # the shop's own
    ("de", None, "en"),
    ("fr-CA;q=0.8, es;q=0.9", None, "es"),
    ("ar-EG, en;q=0.5", None, "ar"),
    ("ar", "fr", "fr"),
    ("ar", "xx", "ar"),
]


@pytest.mark.parametrize(("accepted", "chosen", "expected"), LANGUAGES)
def test_its_language_is_the_readers(
    waymark: Running, bicycle: Job, accepted: str, chosen: str | None, expected: str
) -> None:
    query = f"?hl={chosen}" if chosen else ""
    text = ask(waymark.public_port, path_of(bicycle) + query, Accept_Language=accepted).text
    assert f"<html lang={expected} dir={'rtl' if expected == 'ar' else 'ltr'}>" in text


def test_only_languages_that_the_shop_offers(waymark: Running, house: House) -> None:
    house.shop("Tienda", languages=["es", "fr"])
    job = house.put("T-1", shop="Tienda")
    text = page_of(waymark, job, Accept_Language="ar, en;q=0.9, fr;q=0.1").text
    assert "<html lang=fr" in text
    assert "<html lang=es" in ask(waymark.public_port, path_of(job) + "?hl=ar", Accept_Language="en").text
    assert "?hl=en" not in text


def test_a_poll_gets_nothing_until_something_changes(waymark: Running, house: House, shop: int) -> None:
    job = house.put("R-2", shop="Corner Repairs")
    first = page_of(waymark, job)
    known = {"If_None_Match": first.headers["etag"], "Waymark_Poll": "1"}
    assert f"data-e='{first.headers['etag']}'" in first.text
    unchanged = ask(waymark.public_port, path_of(job), **known)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert ask(waymark.public_port, path_of(job) + "?hl=fr", **known).status == 200
    house.move("R-2", shop="Corner Repairs")
    changed = wait_for(
        lambda: answer if (answer := ask(waymark.public_port, path_of(job), **known)).status == 200 else None,
        "the move",
    )
    assert "Being examined" in changed.text
    house.change_shop(shop, phone="+49 30 7654321")
    wait_for(lambda: "+49 30 7654321" in ask(waymark.public_port, path_of(job)).text, "the shop's new number")
    house.change_shop(shop, phone="+49 30 1234567")
    wait_for(lambda: "+49 30 1234567" in ask(waymark.public_port, path_of(job)).text, "its old number again")


def test_a_late_job_says_sorry_and_offers_a_call(waymark: Running, house: House, shop: int) -> None:
    job = house.late("R-3", shop="Corner Repairs")
    text = page_of(waymark, job, Accept_Language="en").text
    standing = text[text.index('class="s l"') : text.index("<section>")]
    assert "<b>Late</b>" in standing
    assert "We are sorry" in standing
    assert "New date: <bdi>" in standing
    assert "It was expected: <bdi>" in standing
    assert re.search(
        r'<a href="tel:\+49301234567"><svg.*?</svg><span>Call <bdi>Corner Repairs</bdi></span></a>', standing
    )


def test_ready_and_done_are_said_and_undoing_leaves_no_trace(waymark: Running, house: House, shop: int) -> None:
    job = house.late("R-4", shop="Corner Repairs")
    page_of(waymark, job)
    house.move("R-4", "ready", "Corner Repairs")
    wait_for(lambda: "<b>Ready</b>" in ask(waymark.public_port, path_of(job)).text, "ready")
    text = ask(waymark.public_port, path_of(job)).text
    assert "Ready since: <bdi>" in text
    assert "Late" not in text
    assert "calendar.ics" not in text
    house.move("R-4", "deliver", "Corner Repairs")
    wait_for(lambda: "<b>Done</b>" in ask(waymark.public_port, path_of(job)).text, "done")
    house.move("R-4", "diagnosis", "Corner Repairs")
    wait_for(lambda: "<h1><bdi>Being examined" in ask(waymark.public_port, path_of(job)).text, "reopened")
    assert "class=c><bdi>Ready for pick-up" in ask(waymark.public_port, path_of(job)).text


def test_note_and_photo_only_where_the_shop_shows_them(waymark: Running, house: House, shop: int) -> None:
    job = house.put("R-5", shop="Corner Repairs", public_note="Brake worn\nب")
    photo = photo_from(picture())
    in_database(waymark.data, lambda db: set_photo(db, "R-5", photo, ON, "Corner Repairs"))
    page_of(waymark, job)
    shown_at = f"{path_of(job)}/photo.jpg"
    assert ask(waymark.public_port, shown_at).status == 404
    house.change_shop(shop, show_note=True, show_photo=True)
    text = wait_for(
        lambda: page.text if "Brake" in (page := ask(waymark.public_port, path_of(job))).text else None, "note"
    )
    assert "<bdi>Brake worn</bdi><br><bdi>ب</bdi>" in text
    assert f'src="{shown_at}"' in text
    shown = ask(waymark.public_port, shown_at)
    assert (shown.headers["content-type"], shown.headers["cache-control"]) == ("image/jpeg", "private, no-store")
    assert shown.body == photo
    house.change_shop(shop, show_note=False, show_photo=False)
    wait_for(lambda: ask(waymark.public_port, shown_at).status == 404, "the photo to be gone")


def test_unknown_malformed_and_deleted_tokens_are_one_answer(waymark: Running, house: House, shop: int) -> None:
    gone = house.put("R-6", shop="Corner Repairs")
    page_of(waymark, gone)
    in_database(waymark.data, lambda db: delete_job(db, "R-6", ON, "Corner Repairs"))
    wait_for(lambda: ask(waymark.public_port, path_of(gone)).status == 404, "the page to be gone")
    waymark.cli("code", "add", "https://example.com/", "--slug", "no-job")
    tokens = ["0" * 16, "x", "%00", "%ff%fe", "a" * 300, "no-job", "..%2f", "a%20b%20c", "-", path_of(gone)[3:]]
    paths = [f"/j/{token}" for token in tokens] + [
        f"{path_of(gone)}/{part}" for part in ("photo.jpg", "calendar.ics", "x")
    ]
    answers = {path: ask(waymark.public_port, path) for path in paths}
    expected = ask(waymark.public_port, "/j/unknown")
    for path, answer in answers.items():
        assert answer._replace(headers=steady(answer)) == expected._replace(headers=steady(expected)), path
    assert expected.status == 404


def test_an_expired_link_says_so_with_the_shops_contact(waymark: Running, house: House, shop: int) -> None:
    job = house.put("R-7", shop="Corner Repairs", item="Secret item")
    page_of(waymark, job)
    in_database(waymark.data, lambda db: expire_jobs(db, [job.id], at=datetime.now(UTC)))
    gone = wait_for(
        lambda: (
            answer if (answer := ask(waymark.public_port, path_of(job), Accept_Language="en")).status == 410 else None
        ),
        "410",
    )
    assert "This link has expired" in gone.text
    assert 'href="tel:+49301234567"' in gone.text
    assert "Secret item" not in gone.text
    assert ask(waymark.public_port, f"/{job.token}").headers["location"] == path_of(job)
    assert ask(waymark.public_port, f"{path_of(job)}/calendar.ics").status == 410


def test_a_frozen_shops_pages_stay_as_of_then_and_a_withdrawn_ones_are_gone(waymark: Running, house: House) -> None:
    shop = house.shop("Frozen Ltd", show_note=True, show_photo=True)
    due = datetime(2031, 3, 5, 16, 30, tzinfo=UTC)
    job = house.put("F-1", shop="Frozen Ltd", item="Lamp", public_note="Before", due_at=due)
    photo, other = photo_from(picture()), photo_from(picture())
    in_database(waymark.data, lambda db: set_photo(db, "F-1", photo, ON, "Frozen Ltd"))
    path = path_of(job)
    wait_for(lambda: "photo.jpg" in ask(waymark.public_port, path).text, "its photo")
    entry = ask(waymark.public_port, f"{path}/calendar.ics").body
    house.track(shop, "frozen")
    frozen = wait_for(
        lambda: page if "no longer updated" in (page := ask(waymark.public_port, path)).text else None, "frozen"
    )
    house.put("F-1", shop="Frozen Ltd", item="Candle", public_note="After", due_at=due + timedelta(days=9))
    in_database(waymark.data, lambda db: set_photo(db, "F-1", other, ON, "Frozen Ltd"))
    house.move("F-1", "ready", "Frozen Ltd")
    page_of(waymark, house.put("F-2", shop="Corner Repairs"))  # it has heard of all before, too
    poll = {"If_None_Match": frozen.headers["etag"], "Waymark_Poll": "1"}
    assert ask(waymark.public_port, path, **poll).status == 304
    assert ask(waymark.public_port, path).text == frozen.text
    assert ask(waymark.public_port, f"{path}/calendar.ics").body == entry
    assert ask(waymark.public_port, f"{path}/photo.jpg").body == photo != other
    for part in ("<h1><bdi>Received", "Lamp", "Before", "5 March 2031"):
        assert part in frozen.text
    assert "<script" not in frozen.text
    house.track(shop, "withdrawn")
    gone = wait_for(lambda: answer if (answer := ask(waymark.public_port, path)).status == 410 else None, "withdrawn")
    assert 'href="tel:+49301234567"' in gone.text
    house.track(shop, "on")
    present = wait_for(lambda: page if (page := ask(waymark.public_port, path)).status == 200 else None, "the present")
    for part in ("<h1><bdi>Ready", "Candle", "After"):
        assert part in present.text
    assert ask(waymark.public_port, f"{path}/photo.jpg").body == other


def test_the_calendar_entry_moves_with_the_date(waymark: Running, house: House, shop: int) -> None:
    due = datetime(2031, 3, 5, 16, 30, tzinfo=UTC)
    job = house.put("R-8", shop="Corner Repairs", item="Lamp; red, \\large " + "\u00e4" * 60, due_at=due)
    page_of(waymark, job)
    first = ask(waymark.public_port, f"{path_of(job)}/calendar.ics?hl=ar")
    assert first.headers["content-type"].startswith("text/calendar")
    event = calendar_in(first.body)
    assert event["DTSTART"] == "20310305T163000Z"
    assert event["SUMMARY"].endswith("Lamp\\; red\\, \\\\large " + "\u00e4" * 60)
    assert job.token is not None
    assert job.token.lower() not in event["UID"].lower()
    house.put("R-8", shop="Corner Repairs", due_at=due + timedelta(days=1))
    moved = wait_for(
        lambda: (
            now
            if (now := calendar_in(ask(waymark.public_port, f"{path_of(job)}/calendar.ics").body))["DTSTART"]
            != event["DTSTART"]
            else None
        ),
        "the new date",
    )
    assert (moved["DTSTART"], moved["UID"]) == ("20310306T163000Z", event["UID"])
    assert int(moved["SEQUENCE"]) > int(event["SEQUENCE"])


def test_what_shows_previews_of_links_gets_a_card_without_status(waymark: Running, bicycle: Job) -> None:
    apple = (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    )
    slack = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"
    telegram = "TelegramBot (like TwitterBot)"
    for agent in (WHATSAPP, apple, slack, telegram, "facebookexternalhit/1.1", "Discordbot/2.0"):
        card = ask(waymark.public_port, path_of(bicycle), User_Agent=agent)
        assert card.status == 200
        assert 'property="og:title" content="Corner Repairs: ' in card.text
        for word in ("examined", "On track", "Bicycle", "R-1042", "Estimated"):
            assert word not in card.text


def test_views_are_recorded_apart_and_only_peoples_count(waymark: Running, house: House, shop: int) -> None:
    job = house.put("R-9", shop="Corner Repairs")
    tag = page_of(waymark, job).headers["etag"]
    before = len(views(waymark))
    port, path = waymark.public_port, path_of(job)
    ask(port, path)
    ask(port, path, Sec_GPC="1")
    ask(port, path, "HEAD")
    ask(port, path, User_Agent=WHATSAPP)
    ask(port, path, User_Agent="python-requests/2.31")
    ask(port, path, Sec_Purpose="prefetch")
    for uncounted in ({"If_None_Match": tag}, {"Waymark_Poll": "1"}):
        ask(port, path, **uncounted)
    ask(port, f"{path}/calendar.ics")
    ask(port, "/j/unknown")
    found = views(waymark)[before:]
    assert [view.job_id for view in found] == [job.id] * 6
    assert [view.uncounted for view in found] == [None, None, "head", "preview", "library", "prefetch"]
    assert [bool(view.visitor) for view in found] == [True, False, True, True, True, True]


def test_typed_codes_find_the_page_however_they_are_typed(waymark: Running, bicycle: Job) -> None:
    assert bicycle.token is not None
    token = bicycle.token
    spaced = f"{token[:4]} {token[4:8]}-{token[8:]}".lower()
    arabic = spaced.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for typed in (spaced, arabic, token.replace("0", "O").replace("1", "l")):
        quoted = "".join(f"%{byte:02x}" for byte in typed.encode())
        entered = ask(waymark.public_port, f"/?c={quoted}")
        assert entered.status == 303
        assert ask(waymark.public_port, entered.headers["location"]).headers["location"] == path_of(bicycle)
        assert ask(waymark.public_port, f"/j/{quoted}").status == 200


def test_a_chosen_language_goes_along_from_the_typed_code_to_the_page(waymark: Running, bicycle: Job) -> None:
    port, page, code = waymark.public_port, path_of(bicycle), bicycle.token
    assert "<input type=hidden name=hl value=ar>" in ask(port, "/?hl=ar").text
    assert "name=hl" not in ask(port, "/", Accept_Language="ar").text  # the browser says so again by itself
    entered = ask(port, f"/?c={code}&hl=ar", Accept_Language="fr").headers["location"]
    assert entered == f"/{code}?hl=ar"
    assert ask(port, entered, Accept_Language="fr").headers["location"] == f"{page}?hl=ar"
    assert "<html lang=ar dir=rtl" in ask(port, f"{page}?hl=ar", Accept_Language="fr").text
    for said in ("hl=", "hl=xx", "hl=%22", "other=ar", "shl=ar"):
        assert ask(port, f"/{code}?{said}").headers["location"] == page


def steady(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


def calendar_in(body: bytes) -> dict[str, str]:
    """Its only event, after a look at the form of the whole (RFC 5545, 3.1)."""
    assert body.endswith(b"\r\n")
    lines = body.split(b"\r\n")[:-1]
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    unfolded = body.decode().replace("\r\n ", "").split("\r\n")[:-1]
    names = [line.partition(":")[0].partition(";")[0] for line in unfolded]
    assert (unfolded[0], unfolded[-1], names.count("BEGIN")) == ("BEGIN:VCALENDAR", "END:VCALENDAR", 2)
    assert {"VERSION", "PRODID", "UID", "DTSTAMP", "DTSTART", "SUMMARY", "SEQUENCE"} <= set(names)
    return dict(line.split(":", 1) for line in unfolded)
