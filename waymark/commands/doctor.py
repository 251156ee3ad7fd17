"""`waymark doctor`: is everything in order here, and if not, what to do. Works with the service running or stopped."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from waymark.output import CommandError, ExitCode
from waymark.session import Session


def doctor(
    session: Session,
    sender: Annotated[
        str, typer.Option("--from", metavar="ADDRESS", help="Whose address would a scan from there get, and why?")
    ] = "127.0.0.1",
    header: Annotated[
        list[str] | None, typer.Option(metavar='"NAME: VALUE"', help="A header of that scan; repeat it for several.")
    ] = None,
) -> int:
    """Check files, permissions, ports, databases, clock and proxy settings; exit code 1 when something fails."""
    from waymark.checks.network import Asked
    from waymark.doctor import diagnose

    try:
        asked = Asked.parse(sender, header or [])
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    checks = []
    for check in diagnose(session.config_file, asked):
        checks.append(check)
        if not session.out.as_json:
            session.out.check(check.state, check.topic, check.says, check.remedy)
    count = Counter(check.state for check in checks)
    if session.out.as_json:
        session.out.document({"ok": not count["fail"], "checks": [asdict(check) for check in checks]})
    else:
        session.out.text(None, f"\n{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed")
    return ExitCode.FAILURE if count["fail"] else ExitCode.OK
