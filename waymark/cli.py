"""The command line: the list of commands, the shared options, and how every failure becomes one message and a code.

Exit codes: 0 done, 1 failed, 2 wrong usage, settings or input, 3 not found, 4 conflict, 5 nothing answers.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from waymark import __version__
from waymark.commands import (
    batch,
    bulk,
    campaign,
    code,
    code_rules,
    code_set,
    demo,
    domain,
    geo,
    job,
    job_files,
    job_messages,
    job_report,
    job_rules,
    job_stickers,
    job_sync,
    kind,
    owner,
    placement,
    schedule,
    sheet,
    shop,
    shop_template,
    symbol,
    token,
)
from waymark.commands.backup import backup, restore, verify
from waymark.commands.bench import bench
from waymark.commands.doctor import doctor
from waymark.commands.exchange import export_codes, import_codes
from waymark.commands.report import report
from waymark.commands.serve import serve
from waymark.config import ConfigError
from waymark.lock import DataFolderBusy
from waymark.output import CommandError, ExitCode, Output
from waymark.session import AsJson, ConfigFile, Session, command

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, settings or input, 3 not found, 4 conflict, 5 nothing answers. "
    "WAYMARK_URL and WAYMARK_TOKEN reach a Waymark on another machine."
)

app = typer.Typer(
    name="waymark",
    help="Self-hosted dynamic QR codes: print a code, scan it, see it, send it elsewhere.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
command(app, "serve")(serve)
code.app.add_typer(schedule.app, name="schedule")
code.app.add_typer(bulk.app, name="bulk")
command(code.app, "rules")(code_rules.rules)
command(code.app, "options")(code_rules.options)
command(code.app, "simulate")(code_rules.simulate)
command(code.app, "qr")(symbol.qr)
command(code.app, "static")(symbol.static)
command(code.app, "advise")(symbol.advise)
app.add_typer(code_set.app, name="code")  # code.app, and what code_set adds to it
command(job.app, "history")(job_files.history)
command(job.app, "photo")(job_files.photo)
command(job.app, "qr")(job_files.qr)
command(job.app, "export")(job_files.export)
command(job.app, "sync")(job_sync.sync)
command(job.app, "report")(job_report.report)
command(job.app, "events")(job_report.events)
command(job.app, "rules")(job_rules.rules)
command(kind.app, "rules")(job_rules.kind_rules)
command(job.app, "message")(job_messages.message)
command(job.app, "slip")(job_messages.slip)
command(job.app, "stickers")(job_stickers.stickers)
shop.app.add_typer(shop_template.app, name="template")
app.add_typer(job.app, name="job")
app.add_typer(shop.app, name="shop")
app.add_typer(kind.app, name="kind")
app.add_typer(campaign.app, name="campaign")
app.add_typer(placement.app, name="placement")
app.add_typer(batch.app, name="batch")
app.add_typer(domain.app, name="domain")
command(app, "report")(report)
command(app, "import")(import_codes)
command(app, "export")(export_codes)
app.add_typer(sheet.app, name="sheet")
app.add_typer(token.app, name="token")
app.add_typer(owner.app, name="owner")
app.add_typer(geo.app, name="geo")
command(app, "doctor")(doctor)
command(app, "backup")(backup)
command(app, "verify")(verify)
command(app, "restore")(restore)
app.add_typer(demo.app, name="demo")
command(app, "bench")(bench)


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        Output(as_json=bool(context.params.get("as_json"))).text({"version": __version__}, f"waymark {__version__}")
        raise typer.Exit


@app.callback()
def shared(
    context: typer.Context,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, show_default=False)
    ] = False,
) -> None:
    context.obj = Session(config_file, as_json=as_json)


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code. Whatever happens, a person reads a sentence, not a traceback."""
    out = Output(as_json="--json" in arguments)  # asked for even if the rest makes no sense
    try:
        exit_code = typer.main.get_command(app).main(list(arguments), prog_name="waymark", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except (BrokenPipeError, SystemExit):  # Typer exits by itself only when it meets the broken pipe first
        _forget_stdout()
        return 141  # as if ended by SIGPIPE: whoever read us has seen enough
    except Exception as error:
        if os.environ.get("WAYMARK_DEBUG"):
            raise
        message, failure = explained(error)
        if message:
            out.error(message, failure)
        return failure
    return int(exit_code or 0)


def explained(error: Exception) -> tuple[str, ExitCode]:
    match error:
        case CommandError():
            return str(error), error.exit_code
        case ConfigError():
            return str(error), ExitCode.USAGE
        case DataFolderBusy():
            return str(error), ExitCode.FAILURE
        case typer.TyperException():
            return _usage(error), ExitCode.USAGE
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}. `waymark doctor` checks files and permissions.", ExitCode.FAILURE
    broken = f"{type(error).__name__}: {error}".rstrip(": ")
    return (
        f"Waymark itself broke here ({broken}); what you typed is not to blame. "
        "Set WAYMARK_DEBUG=1 and repeat the command to see where, for a report.",
        ExitCode.FAILURE,
    )


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().strip().replace("Value error, ", "")
    if not message:  # no command was named: the help has just been printed
        return ""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "waymark"
    ending = "" if message.endswith(("?", ".")) else "."
    return f"{message[0].lower()}{message[1:]}{ending} `{path} --help` shows what it takes."


def _forget_stdout() -> None:
    """What is still buffered has no reader; the interpreter must not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
