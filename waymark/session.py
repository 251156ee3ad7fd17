"""What every command has: --config, --json, and with them the configuration, the client and the output."""

import inspect
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, Self

import typer

from waymark.config import Config, load_config
from waymark.output import Output

if TYPE_CHECKING:  # it costs 100 ms, which `waymark --help` need not pay
    from waymark.client import Client

P = ParamSpec("P")

ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file; else $WAYMARK_CONFIG, ./config.toml, or the defaults."
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document; errors go as JSON to standard error.",
        is_eager=True,
        show_default=False,
    ),
]


class Session:
    def __init__(self, config_file: str | None = None, *, as_json: bool = False) -> None:
        self.config_file = config_file
        self.out = Output(as_json=as_json)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def config(self) -> Config:
        return load_config(self.config_file)

    @cached_property
    def client(self) -> "Client":
        from waymark.client import Client

        return self._open.enter_context(closing(Client.for_user(self.config, os.environ)))

    def forget_client(self) -> None:
        """The next request reads the owner's token again: another start of `waymark serve` has another one."""
        self.__dict__.pop("client", None)

    @cached_property
    def local_client(self) -> "Client":
        """The owner of this machine, whatever the environment says."""
        from waymark.client import Client

        return self._open.enter_context(closing(Client.local(self.config)))


def if_match(version: int | str | None) -> dict[str, str]:
    """Headers of a change that is only for this version; None: for any."""
    return {} if version is None else {"If-Match": f'"{version}"'}


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Session, P], int | None]], Callable[Concatenate[Session, P], int | None]]:
    """Registers a function as a command that takes --config and --json too, before or after its name.

    The function's first parameter is the Session; what it returns is the exit code, None meaning 0.
    """

    def register(
        function: Callable[Concatenate[Session, P], int | None],
    ) -> Callable[Concatenate[Session, P], int | None]:
        @wraps(function)
        def run(context: typer.Context, config_file: str | None, as_json: bool, **arguments: Any) -> int | None:
            outer: Session = context.obj
            with Session(config_file or outer.config_file, as_json=as_json or outer.out.as_json) as session:
                return function(session, **arguments)  # type: ignore[call-arg]

        # Typer reads the signature: the function's own parameters, the Session replaced by the shared options.
        own = list(inspect.signature(function).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [
            inspect.Parameter("context", keyword, annotation=typer.Context),
            inspect.Parameter("config_file", keyword, annotation=ConfigFile, default=None),
            inspect.Parameter("as_json", keyword, annotation=AsJson, default=False),
        ]
        parameters = [*(entry.replace(kind=keyword) for entry in own), *shared]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {entry.name: entry.annotation for entry in parameters}
        app.command(name)(run)
        return function

    return register
