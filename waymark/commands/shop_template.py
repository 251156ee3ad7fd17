"""`waymark shop template`: what messages say, for each event, channel and language."""

import sys
from typing import Annotated, Any

import typer

from waymark.commands.job_messages import Channel, Event, Language, sms_words
from waymark.commands.kind import IfVersion
from waymark.commands.shop import find_shop
from waymark.output import Column, clean
from waymark.session import Session, command, if_match

app = typer.Typer(no_args_is_help=True, help="Read and change the templates of messages to customers.")

ShopName = Annotated[str | None, typer.Option("--shop", metavar="NAME", help="The default shop when left out.")]
EventName = Annotated[Event, typer.Argument(help="What it tells.")]
ChannelName = Annotated[Channel, typer.Argument(help="How it is sent.")]
LanguageName = Annotated[Language, typer.Argument(help="In which language.")]


@command(app, "list")
def list_templates(
    session: Session,
    event: Annotated[Event | None, typer.Option(help="Only of this one.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only of this one.")] = None,
    language: Annotated[Language | None, typer.Option(help="Only in this one.")] = None,
    shop: ShopName = None,
) -> None:
    """List the templates: the shop's own, else those that came with Waymark."""
    asked = {"event": event, "channel": channel, "language": language}
    found = session.client.get(f"/shops/{find_shop(session, shop)['id']}/templates", asked)
    columns = [Column("Event"), Column("Channel"), Column("Language"), Column("Own"), Column("Text", narrow="cut")]
    rows = [
        (
            one["event"],
            one["channel"],
            one["language"],
            "yes" if one["own"] else "",
            " / ".join(one["text"].splitlines()),
        )
        for one in found["templates"]
    ]
    session.out.table(found, columns, rows, empty="There is none.")


@command(app, "show")
def show(
    session: Session, event: EventName, channel: ChannelName, language: LanguageName, shop: ShopName = None
) -> None:
    """Show one template, and how it looks with made-up values."""
    _show(session, session.client.get(_address(session, shop, event, channel, language)))


@command(app, "set")
def put(
    session: Session,
    event: EventName,
    channel: ChannelName,
    language: LanguageName,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="With {tracking}, {stage}, {eta}, {shop}, {item}; - reads it.")
    ],
    subject: Annotated[str, typer.Option(metavar="TEXT", help="Of an e-mail.")] = "",
    shop: ShopName = None,
    if_version: IfVersion = None,
) -> None:
    """Change one template. Variables: {tracking}, {stage}, {eta}, {shop}, {item}, {customer}, {reference}."""
    body = {"text": sys.stdin.read() if text == "-" else text, "subject": subject}
    address = _address(session, shop, event, channel, language)
    _show(session, session.client.send("PUT", address, body, headers=if_match(if_version)))


@command(app, "reset")
def reset(
    session: Session,
    event: EventName,
    channel: ChannelName,
    language: LanguageName,
    shop: ShopName = None,
    if_version: IfVersion = None,
) -> None:
    """Take the shop's own template away: the one that came with Waymark counts again."""
    address = _address(session, shop, event, channel, language)
    _show(session, session.client.send("DELETE", address, headers=if_match(if_version)))


def _address(session: Session, shop: str | None, event: str, channel: str, language: str) -> str:
    return f"/shops/{find_shop(session, shop)['id']}/templates/{event}/{channel}/{language}"


def _show(session: Session, template: dict[str, Any]) -> None:
    lines = [
        f"{template['event']}, {template['channel']}, {template['language']} ({'own' if template['own'] else 'built in'})"
    ]
    if template["subject"]:
        lines.append(f"Subject: {clean(template['subject'])}")
    lines += [f"  {clean(line)}".rstrip() for line in template["text"].splitlines()]
    lines.append("For example:")
    lines += [f"  {clean(line)}".rstrip() for line in template["sample"].splitlines()]
    if template["sms"]:
        lines.append(sms_words(template["sms"]))
    session.out.text(template, "\n".join(lines))
