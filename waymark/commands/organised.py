"""What the commands for campaigns, placements, print batches and domains have in common."""

from typing import Any

from codes.alphabet import CodeError
from codes.money import Money, read_money
from waymark.output import CommandError, ExitCode, when
from waymark.session import Session


def id_named(session: Session, things: str, key: str, name: str) -> int:
    """Of the campaign, placement or batch that is called so, archived ones included."""
    found = session.client.get(f"/{things}", {"archived": True})[things]
    for entry in found:
        if entry[key] == name.strip():
            return int(entry["id"])
    close = [entry for entry in found if entry[key].lower() == name.strip().lower()]
    if len(close) == 1:
        return int(close[0]["id"])
    raise CommandError(f"none of the {things} is called {name!r}; `list --all` shows them.", ExitCode.NOT_FOUND)


def cost_of(text: str | None) -> dict[str, Any]:
    """For the API, from `12.50 EUR`; nothing when it was not given, null when it is to go."""
    if text is None:
        return {}
    try:
        money = read_money(text)
    except CodeError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return {"cost_minor": money.minor, "currency": money.currency} if money else {"cost_minor": None}


def cost_in_words(entry: dict[str, Any]) -> str:
    return "" if entry["cost_minor"] is None else str(Money(entry["cost_minor"], entry["currency"]))


def archived_in_words(entry: dict[str, Any]) -> str:
    return when(entry["archived_at"])
