"""A real, throw-away PostgreSQL server for tests: its own folder and port, ended and deleted afterwards."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SETTINGS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c unix_socket_directories= -c max_connections=60"
)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    programs: Path
    port: int

    def new_database(self, like: str = "template0") -> str:
        """The address of an empty database on this server, or of a copy of the named one."""
        name = f"waymark_{secrets.token_hex(6)}"
        server = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        # The quickest way when nothing has to survive a crash.
        copying = ["--strategy=file_copy", f"--template={like}", name]
        subprocess.run(
            [str(self.programs / "createdb"), *server, *copying], check=True, capture_output=True, timeout=60
        )
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Skips the test when the server's programs are not installed, unless WAYMARK_REQUIRE_ALL=1."""
    programs = find_programs()
    if programs is None:
        missing = "PostgreSQL's server programs are not installed (Debian: apt install postgresql)"
        if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="waymark-postgres-"))
    port = _free_port()
    control = f"{programs}/pg_ctl -D {folder}/data"
    try:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres")
        _as_server_user(f"{programs}/initdb -D {folder}/data --no-sync -A trust -U postgres -E UTF8 --locale=C.UTF-8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 {SETTINGS}"
        _as_server_user(f"{control} start -w -t 30 -l {folder}/log -o '{options}'")
        try:
            yield PostgresServer(programs, port)
        finally:
            _as_server_user(f"{control} stop -m immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path | None:
    """Debian keeps initdb and pg_ctl out of PATH, in a folder per version; the newest one counts."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    in_path = shutil.which("pg_ctl")
    return Path(in_path).resolve().parent if in_path else None


def _as_server_user(command: str) -> None:
    full = ["su", "postgres", "-s", "/bin/sh", "-c", command] if os.geteuid() == 0 else ["/bin/sh", "-c", command]
    # To a file of its own: the server inherits a pipe and would keep it open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(full, stdout=output, stderr=subprocess.STDOUT, cwd="/", timeout=60, check=False)
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command}: {output.read().decode(errors='replace')}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
