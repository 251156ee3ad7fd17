"""Files of other systems as they really are: spreadsheets' encodings, delimiters, titles and dates, lines cut off."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.api.job_batches import EntryIn
from waymark.commands.job_rows import FIELDS, read_columns, read_lines
from waymark.output import CommandError

TITLES = "reference;customer_name;due_at\r\n"


def read(tmp_path: Path, content: str | bytes, *columns: str) -> tuple[list[Any], list[str]]:
    """Rows, with the problem where there is one, and what was warned of."""
    file, warned = tmp_path / "jobs.csv", list[str]()
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    lines = read_lines(file, None, read_columns(columns), warned.append)
    return [line.problem or line.row for line in lines], warned


def test_the_fields_are_those_of_the_api() -> None:
    assert set(FIELDS) == set(EntryIn.model_fields)


@pytest.mark.parametrize(
    ("content", "warnings"),
    [
        pytest.param((TITLES + "R-1;Zoë Müller;2026-12-24\r\n").encode("utf-8-sig"), 0, id="UTF-8 with a mark"),
        pytest.param((TITLES + "R-1;Zoë Müller;24.12.2026\r\n").encode("cp1252"), 1, id="Windows-1252"),
        pytest.param((TITLES + "R-1;Zoë Müller;24.12.2026").replace(";", "\t").encode("utf-16"), 0, id="UTF-16"),
        pytest.param(("sep=;\r\n" + TITLES + "R-1;Zoë Müller;2026-12-24\r\n").encode(), 0, id="a line for Excel"),
        pytest.param("Reference,Customer Name,Due at\nR-1,Zoë Müller,2026-12-24\n".encode(), 0, id="titles for people"),
        pytest.param('{"reference":"R-1","customer_name":"Zoë Müller","due_at":"2026-12-24"}'.encode(), 0, id="JSON"),
    ],
)
def test_spreadsheets_are_read_as_they_are_saved(tmp_path: Path, content: bytes, warnings: int) -> None:
    rows, warned = read(tmp_path, content)
    assert rows == [{"reference": "R-1", "customer_name": "Zoë Müller", "due_at": "2026-12-24"}]
    assert len(warned) == warnings


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ("24.12.2026", "2026-12-24"),
        ("4.1.2026 9:05", "2026-01-04T09:05"),
        ("24.12.2026, 18:00:30", "2026-12-24T18:00"),
        ("2026-12-24T18:00+01:00", "2026-12-24T18:00+01:00"),
        ("4/1/2026", "4/1/2026"),  # of April or of January: the API refuses it
    ],
)
def test_dates_with_dots_are_understood(tmp_path: Path, cell: str, sent: str) -> None:
    assert read(tmp_path, f'reference,due_at,item\nR-1,"{cell}",{cell[:4]}\n')[0][0]["due_at"] == sent


def test_columns_of_others_are_named(tmp_path: Path) -> None:
    german = "Auftrags-Nr.;Gerät;Größe\nR-1;Uhr;klein\n"
    rows, warned = read(tmp_path, german, "Auftrags-Nr.=reference", "GERÄT=item")
    assert rows == [{"reference": "R-1", "item": "Uhr"}]
    assert "Größe" in warned[0]
    assert read(tmp_path, german, "Auftrags-Nr.=reference", "Gerät=item", "Größe=-")[1] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Auftragsnr,item\n1,x\n", "it has Auftragsnr"),
        ("reference,custmer_name\n1,x\n", "Is it customer_name?"),
        ("reference,Customer name,customer_name\n1,x,y\n", "two columns customer_name"),
        ('reference,item\nR-1,"Bicycle\nR-2,x\n', "A quotation mark is open"),
        ('{"reference": "R-1"}\n{"reference"\n', "at line 2"),
        ("", "needs a line of titles"),
        ("PK\x03\x04\x14\x00", "Save it there as CSV"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(CommandError, match=said.replace("?", r"\?")):
        read(tmp_path, content)


@pytest.mark.parametrize("pair", ["Order", "Order=number", "=item"])
def test_a_column_is_one_of_the_fields(pair: str) -> None:
    with pytest.raises(CommandError, match="THEIRS=OURS"):
        read_columns([pair])


def test_what_slipped_into_other_columns_or_was_cut_off_is_not_sent(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "reference,item,price\nR-1,Bicycle, red,5\nR-2,Clock,7,,\nR-3,Lamp\nR-10")
    assert rows[0].startswith("it has 4 cells for 3 titles")
    assert rows[1:3] == [{"reference": "R-2", "item": "Clock", "price": "7"}, {"reference": "R-3", "item": "Lamp"}]
    assert rows[3].startswith("the file ends within it")
    assert read(tmp_path, "reference,item\nR-1,x\nR-2,y")[0][1] == {"reference": "R-2", "item": "y"}


def sent_as(tmp_path: Path, *rows: dict[str, Any]) -> list[Any]:
    """Which line it is, what earlier ones are one with it, and its row or its problem."""
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps(rows))
    lines = read_lines(file, "Main", {}, lambda _: None)
    said = [{name: value for name, value in line.row.items() if name not in ("shop", "reference")} for line in lines]
    return [(line.number, line.earlier, line.problem or row) for line, row in zip(lines, said, strict=True)]


def test_rows_of_a_job_without_id_or_time_are_one_row(tmp_path: Path) -> None:
    first = {"reference": "R-1", "stage": "intake", "item": "Clock", "due_at": "2026-12-24"}
    other_shop = {"reference": "R-1", "shop": "Second", "stage": "ready"}
    last = {"reference": "R-1", "stage": "repair", "item": None, "due_at": None}
    assert sent_as(tmp_path, first, other_shop, last) == [
        (2, (), {"stage": "ready"}),
        (3, (1,), {"stage": "repair", "item": "Clock", "due_at": None}),
    ]


@pytest.mark.parametrize("mark", [{"id": "a"}, {"at": "2026-03-02T09:00Z"}, {"revision": 3}])
def test_rows_with_id_or_time_or_revision_stay_as_they_are(tmp_path: Path, mark: dict[str, Any]) -> None:
    rows = [{**mark, "stage": "intake"}, {**mark, "stage": "repair"}, {"stage": "ready"}]
    sent = sent_as(tmp_path, *({"reference": "R-1", **row} for row in rows))
    assert sent == [(number, (), row) for number, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        pytest.param([{"stage": "intake"}, {"stage": "repair", "at": "2026-03-02T09:00Z"}], [1], id="a time later"),
        pytest.param([{"stage": "intake"}, {"op": "advance", "id": "a"}], [1], id="an id later"),
        pytest.param([{"op": "move", "stage": "intake"}, {"op": "deliver"}], [1], id="moves"),
        pytest.param([{"op": "delete"}, {"item": "Clock"}], [1], id="deleted and made anew"),
        pytest.param([{"item": "Clock"}, {"op": "deliver"}], [], id="a put that moves nothing"),
        pytest.param([{"op": "advance", "id": "a"}, {"op": "deliver"}], [], id="the last of them"),
    ],
)
def test_a_row_that_would_undo_a_later_one_when_sent_again_is_refused(
    tmp_path: Path, rows: list[dict[str, Any]], refused: list[int]
) -> None:
    sent = sent_as(tmp_path, *({"reference": "R-1", **row} for row in rows))
    assert [number for number, _, said in sent if isinstance(said, str)] == refused
