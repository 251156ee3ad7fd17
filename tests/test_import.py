"""Imports: formats, verdicts, interruption, and old codes on the real public port."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from codes.codes import Code, get_code
from codes.destinations import DestinationPolicy
from codes.import_rows import is_ours
from codes.import_things import load_known
from codes.import_writing import Import, Judged, take_chunk
from codes.importers import FormatError, detected_format, reading_in_words
from codes.importing import open_source, read_rows
from codes.versions import list_versions
from database.engine import Database
from tests.conftest import AddCode, both_databases
from tests.running import IPHONE, Running, wait_for

POLICY = DestinationPolicy(frozenset({"w.example"}))
FILES = {
    "bitly": "Link,Custom Link,Destination URL,Title,Tags,Created\n"
    "https://bit.ly/3xYzAbC,https://w.example/Spring,https://example.com/a,Poster,print,2024-01-02 03:04:05\n",
    "dub": "Short link,Destination URL,Title,Tags,Created at,Clicks\n"
    'https://w.example/Spring,https://example.com/a,Poster,"print",2024-01-02T03:04:05.000Z,12\n',
    "shlink": "createdAt,domain,shortCode,shortUrl,longUrl,title,tags,visits\n"
    "2024-01-02T03:04:05+00:00,w.example,Spring,https://w.example/Spring,https://example.com/a,Poster,print,9\n",
    "yourls": "keyword,url,title,timestamp,ip,clicks\nSpring,https://example.com/a,Poster,2024-01-02 03:04:05,::1,3\n",
    "kutt": "address,target,description,domain,visit_count,created_at\n"
    "Spring,https://example.com/a,Poster,w.example,4,2024-01-02T03:04:05.000Z\n",
    "csv": "code;destination;name;tags;created_at\nSpring;https://example.com/a;Poster;print;2024-01-02T03:04:05Z\n",
}


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


async def take(db: Database, path: Path, text: str, *, dry_run: bool = False, **options: Any) -> list[Judged]:
    write(path, text)
    source = open_source(path, options.pop("format", "auto"))
    async with db.reading() as connection:
        known = await load_known(connection)
    job = Import(source, known, "ops", POLICY, dry_run=dry_run, **options)
    async with db.transaction() as connection:
        return await take_chunk(connection, job, list(read_rows(source)))


async def code_of(db: Database, text: str) -> Code:
    async with db.reading() as connection:
        return await get_code(connection, text)


def verdicts(judged: list[Judged]) -> list[tuple[str, str]]:
    return [(entry.code, entry.verdict) for entry in judged]


@pytest.mark.parametrize(
    ("head", "reading"),
    [
        ("short,long url", "code from 'short', destination from 'long url'"),
        ("Alias,Target", "code from 'Alias', destination from 'Target'"),
        ("url,Short link,Tags", "code from 'Short link', destination from 'url'"),
        (
            "destination,colour,Owner",
            "destination from 'destination', new codes, as no column gives any; not read: 'colour', 'Owner'",
        ),
    ],
)
def test_columns_are_found_by_what_people_call_them_and_those_not_read_are_named(head: str, reading: str) -> None:
    titles = head.split(",")
    chosen = detected_format(titles)
    assert chosen.name in ("csv", "dub")
    assert reading_in_words(titles, chosen) == reading


@pytest.mark.anyio
@both_databases
async def test_a_plain_file_may_hold_codes_or_whole_short_links(db: Database, tmp_path: Path) -> None:
    text = "short,long url\nSpring,https://example.com/a\nhttps://w.example/Summer,https://example.com/b\n"
    assert verdicts(await take(db, tmp_path / "file", text)) == [("Spring", "new"), ("Summer", "new")]


@pytest.mark.anyio
@both_databases
@pytest.mark.parametrize("name", FILES)
async def test_exports_of_other_services(db: Database, tmp_path: Path, name: str) -> None:
    head = FILES[name].splitlines()[0]
    assert detected_format(next(csv.reader([head], delimiter=";" if name == "csv" else ","))).name == name
    judged = await take(db, tmp_path / "file", FILES[name])
    assert verdicts(judged) == [("Spring", "new")]
    code = await code_of(db, "Spring")
    assert (code.code, code.legacy, code.destination, code.name) == ("Spring", True, "https://example.com/a", "Poster")
    assert code.created_at.isoformat() == "2024-01-02T03:04:05+00:00"
    assert code.tags == (() if name in ("yourls", "kutt") else ("print",))
    async with db.reading() as connection:
        assert [(v.number, v.action, v.created_by) for v in await list_versions(connection, code.id)] == [
            (1, "import", "ops")
        ]
    assert verdicts(await take(db, tmp_path / "file", FILES[name])) == [("Spring", "same")]
    other = FILES[name].replace("/a", "/b")
    [conflict] = await take(db, tmp_path / "file", other)
    assert (conflict.verdict, conflict.why) == ("conflict", "Spring leads to https://example.com/a.")


@pytest.mark.anyio
@both_databases
@pytest.mark.parametrize("dry_run", [True, False])
async def test_verdicts(db: Database, add_code: AddCode, tmp_path: Path, dry_run: bool) -> None:
    await add_code("https://example.com/old", slug="taken")
    text = "code,destination,domain\n" + "".join(
        f"{code},{destination},{domain}\n"
        for code, destination, domain in [
            ("poster", "https://example.com/1", ""),
            ("AbC", "https://example.com/2", ""),
            ("aBc", "https://example.com/3", ""),
            ("AbC", "https://example.com/2", ""),
            ("AbC", "https://example.com/9", ""),
            ("taken", "https://example.com/old", ""),
            ("TAKEN", "https://example.com/5", ""),
            ("robots.txt", "https://example.com/6", ""),
            ("ok-1", "javascript:alert(1)", ""),
            ("ok-2", "https://w.example/poster", ""),
            ("a/b", "https://example.com/7", ""),
            ("ok-3", "https://example.com/8", "go.example"),
            ("", "https://example.com/10", ""),
        ]
    )
    judged = await take(db, tmp_path / "file.csv", text, dry_run=dry_run)
    assert [entry.verdict for entry in judged] == [
        *("new", "new", "new", "same", "conflict", "same", "conflict", "conflict"),
        *("invalid", "invalid", "invalid", "invalid", "new"),
    ]
    why = [entry.why for entry in judged]
    assert "by an earlier line" in why[4]
    assert "reads like taken" in why[6]
    assert "reserved" in why[7]
    assert "slash" in why[10]
    assert "go.example is not one of ours" in why[11]
    async with db.reading() as connection:
        if dry_run:
            assert not [code for code in ("poster", "AbC") if await _exists(connection, code)]
            return
        assert [(await get_code(connection, text)).destination[-1] for text in ("AbC", "aBc", "POSTER")] == list("231")


async def _exists(connection: Any, text: str) -> bool:
    from codes.register import find_code

    return await find_code(connection, text) is not None


@pytest.mark.parametrize(
    ("text", "ours"),
    [("spring-26", True), ("0123456789", True), ("ABCDEFGH", True), ("Spring", False), ("ab", False), ("a_b", False)],
)
def test_which_codes_are_found_in_any_case(text: str, ours: bool) -> None:
    assert is_ours(text) is ours


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"colour,shape\nred,round\n", "of no known export"),
        (b"code,name\nx,y\n", "of no known export"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=says):
        open_source(path, "auto")


def test_preview_run_and_errors_over_the_api(client: TestClient) -> None:
    text = "code,destination\nOld1,https://example.com/1\nOld2,nonsense\nOld3,https://example.com/3,surplus\n"
    path = "/api/v1/imports"
    made = client.post(path, params={"name": "x.csv"}, content=text).json()
    number = made["id"]
    assert (made["format"], made["total"], made["dry_run"]) == ("csv", 3, True)

    def looked() -> Any:
        found = client.get(f"{path}/{number}").json()
        return found if found["state"] == "done" else None

    found = wait_for(looked, "the dry run")
    assert (found["new"], found["same"], found["conflict"], found["invalid"]) == (1, 0, 0, 2)
    assert client.get("/api/v1/codes").json()["total"] == 0
    assert client.post(f"{path}/{number}/run").status_code == 202
    found = wait_for(looked, "the import")
    assert (found["dry_run"], found["new"], found["invalid"]) == (False, 1, 2)
    assert client.get("/api/v1/codes/Old1").json()["legacy"] is True
    rows = list(csv.reader(client.get(f"{path}/{number}/errors.csv").text.splitlines()))
    assert rows[0] == ["code", "destination", "line", "verdict", "why"]
    assert rows[1][:4] == ["Old2", "nonsense", "3", "invalid"]
    assert rows[2][-3:] == ["4", "invalid", "it has 3 cells; there are 2 columns"]
    assert client.post(f"{path}/{number}/run").status_code == 409
    assert client.post(path, content=b"").status_code == 422
    assert client.post(path, params={"domain": "no.example"}, content=text).status_code == 404
    assert client.delete(f"{path}/{number}").status_code == 204
    assert client.get(f"{path}/{number}").status_code == 404


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_an_import_that_is_killed_goes_on_without_doubling(tmp_path: Path) -> None:
    rows = 30_000
    bad = range(0, rows, 1000)
    with (tmp_path / "many.csv").open("w") as file:
        file.write("keyword,url,title,timestamp,ip,clicks\n")
        for number in range(rows):
            target = "nonsense" if number in bad else f"https://example.com/{number}"
            file.write(f"Old{number:06},{target},,2024-01-02 03:04:05,,0\n")
    with Running(tmp_path) as running:

        def ask(method: str, path: str, content: bytes | None = None) -> httpx2.Response:
            """With the token of this moment: a restart makes another one."""
            headers = {"Authorization": f"Bearer {(running.data / 'owner.token').read_text()}"}
            url = f"http://127.0.0.1:{running.private_port}/api/v1{path}"
            return httpx2.request(
                method, url, content=content, headers=headers, trust_env=False, verify=False, timeout=60
            )

        content = (tmp_path / "many.csv").read_bytes()
        number = ask("POST", "/imports?dry_run=false", content).json()["id"]

        def position() -> int:
            return int(ask("GET", f"/imports/{number}").json()["done"])

        reached = wait_for(lambda: position() if position() > 2_000 else 0, "some rows", 60)
        assert reached < rows
        pid = running.child_pid("waymark.private")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        def done() -> Any:
            try:
                answer = ask("GET", f"/imports/{number}")
            except (OSError, httpx2.HTTPError):
                return None  # not up again yet
            over = answer.status_code == 200 and answer.json()["state"] not in ("waiting", "running")
            return answer.json() if over else None

        found = wait_for(done, "the end of the import", 120)
        assert (found["state"], found["new"], found["same"], found["conflict"]) == ("done", rows - len(bad), 0, 0)
        assert found["invalid"] == len(bad)
        errors = ask("GET", f"/imports/{number}/errors.csv").text.splitlines()
        assert [line.split(",")[0] for line in errors[1:]] == [f"Old{number:06}" for number in bad]
        assert running.get("/codes")["total"] == rows - len(bad)
        last = wait_for(lambda: running.scan("/Old029999", User_Agent=IPHONE).headers.get("Location"), "the last", 30)
        assert last == "https://example.com/29999"


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_old_codes_redirect_in_their_exact_spelling_only(tmp_path: Path) -> None:
    file = tmp_path / "shlink.csv"
    head = "createdAt,domain,shortCode,shortUrl,longUrl,title,tags,visits\n"
    lines = "".join(
        f"2024-01-02T03:04:05+00:00,old.example,{code},https://old.example/{code},{target},,,0\n"
        for code, target in [
            ("AbC", "https://example.com/1"),
            ("aBc", "https://example.com/2"),
            ("poster", "https://example.com/3"),
            ("caf\u00e9_2", "https://example.com/4"),
            ("x", "https://example.com/5"),
        ]
    )
    file.write_text(head + lines, encoding="utf-8")
    with Running(tmp_path) as running:
        running.cli("import", str(file), "--yes", "--errors", str(tmp_path / "errors.csv"), code=4)  # unknown domain
        running.cli("domain", "add", "https://old.example", "--not-found", "https://example.com/lost")
        done = running.cli_json("import", str(file), "--yes", "--errors", str(tmp_path / "errors.csv"))
        assert (done["new"], done["conflict"], done["invalid"]) == (4, 1, 0)
        assert "reserved" in (tmp_path / "errors.csv").read_text()

        def asked(path: str, host: str = "old.example") -> tuple[int, str | None]:
            answer = running.scan(path, Host=host, User_Agent=IPHONE)
            return answer.status, answer.headers.get("Location")

        wait_for(lambda: asked("/AbC") == (302, "https://example.com/1"), "the import", 5)
        assert asked("/aBc") == (302, "https://example.com/2")
        assert asked("/ABC") == (302, "https://example.com/lost")
        assert asked("/POSTER") == (302, "https://example.com/3")
        assert asked("/caf%C3%A9_2") == (302, "https://example.com/4")
        assert asked("/AbC", f"localhost:{running.public_port}") == (404, None)
