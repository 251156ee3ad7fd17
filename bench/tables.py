"""What a part of the bench hands back: tables for people to read, and bars that are held or missed. Markdown only."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.numbers import shortfall


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        head = [_line(self.columns), "|" + "|".join(["---"] + ["---:"] * (len(self.columns) - 1)) + "|"]
        body = [_line(row) for row in self.rows]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([f"### {self.title}", "", *head, *body, *notes]) + "\n"


@dataclass(frozen=True, slots=True)
class Bar:
    """A number to hold, from docs and issues, beside what this run measured."""

    what: str
    bar: float
    aim: float
    measured: float
    unit: str = ""
    higher_is_better: bool = True

    def verdict(self) -> str:
        missed = shortfall(self.measured, self.bar, higher_is_better=self.higher_is_better)
        if missed > 0:
            return f"**missed by {missed:.0%}**"
        reached = shortfall(self.measured, self.aim, higher_is_better=self.higher_is_better) <= 0
        return "aim reached" if reached else "held"


@dataclass(frozen=True, slots=True)
class Outcome:
    tables: tuple[Table, ...]
    bars: tuple[Bar, ...] = ()


def bars_table(bars: Sequence[Bar]) -> Table:
    rows = tuple(
        (bar.what, *(f"{short(value)}{bar.unit}" for value in (bar.bar, bar.aim, bar.measured)), bar.verdict())
        for bar in bars
    )
    return Table("Bars", ("", "bar", "aim", "measured", ""), rows)


def short(value: float) -> str:
    """Three significant digits, thousands apart: 0.052, 4.31, 38,421."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def count(value: float) -> str:
    return f"{value:,.0f}"


def millis(seconds: float) -> str:
    return f"{short(seconds * 1000)} ms"


def megabytes(size: float) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
