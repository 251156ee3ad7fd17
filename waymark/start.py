"""What a person sees when the service comes up: the addresses, the one-time owner link, a line to try."""

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from waymark.config import Config


def wait_until_ready(
    config: Config,
    only: str | None,
    gone_child: Callable[[], str | None],
    within_s: float,
    stopped: Callable[[], bool],
) -> str | None:
    """None once both sides answer, else what went wrong."""
    deadline = time.monotonic() + within_s
    waiting = {side for side in ("private", "public") if only in (None, side)}
    with httpx2.Client(trust_env=False, verify=False, timeout=2.0) as client:
        while waiting and not stopped():
            for side in sorted(waiting):
                if _answers(client, _url(config, side)):
                    waiting.discard(side)
            if gone := gone_child():
                return f"the {gone} process ended while starting; its messages above say why."
            if time.monotonic() > deadline:
                sides = " and ".join(sorted(waiting))
                return f"the {sides} side did not answer within {within_s:.0f} s; its messages above say why."
            if waiting:
                time.sleep(0.03)
    return None


def announce(config: Config, only: str | None) -> None:
    lines = []
    if only != "private":
        lines.append(f"  Codes      {config.short_url}/CODE")
    if only != "public":
        lines.append(f"  Dashboard  {config.dashboard_url}")
        lines.extend(_owner_lines(config))
        lines.append(f"  Try        {command_to_type(sys.argv[0])} code add https://example.com --name 'First poster'")
    sys.stdout.write("\nWaymark is running. Ctrl-C stops it.\n\n" + "\n".join(lines) + "\n\n")
    sys.stdout.flush()


def command_to_type(started_as: str) -> str:
    """`waymark` where a shell finds this very program under that name, else the path to it."""
    program = Path(started_as).absolute()
    if program.name != "waymark" or not program.is_file():
        return "waymark"
    found = shutil.which("waymark")
    if found and Path(found).resolve() == program.resolve():
        return "waymark"
    here = Path.cwd()
    path = str(program.relative_to(here)) if program.is_relative_to(here) else str(program)
    return shlex.quote(path if "/" in path else f"./{path}")


def _owner_lines(config: Config) -> list[str]:
    """A fresh link as long as there is no owner; the one before dies with it."""
    try:
        token = (config.data_dir / "owner.token").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=config.local_api_url, headers=headers, trust_env=False, verify=False, timeout=10.0
        ) as client:
            if client.get("/api/v1/owner").json().get("exists"):
                return []
            url = client.post("/api/v1/owner/link").json()["url"]
    except (httpx2.HTTPError, OSError, ValueError, KeyError):  # busy or starting anew: no reason to stop the service
        return ["  Owner      `waymark owner reset` makes the link for the first account"]
    return [f"  Owner      {url}", "             (create the first account here; works once, for one hour)"]


def _answers(client: httpx2.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx2.HTTPError:
        return False


def _url(config: Config, side: str) -> str:
    if side == "private":
        return f"{config.local_api_url}/-/health"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.public.host, config.public.host)  # noqa: S104
    scheme = "https" if config.public.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host and '[' not in host else host}:{config.public.port}/-/ready"
