"""What the figures were measured on: machine, interpreter build, versions. Asks the system, changes nothing."""

import os
import platform
import shutil
import subprocess
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bench.tables import Table
from redirector.agents import best_engine

_PACKAGES: Final = ("waymark-qr", "uvicorn", "uvloop", "httptools", "starlette", "orjson", "duckdb", "sqlalchemy")
_PROGRAMS: Final = {"nginx": ("-v",), "go": ("version",), "wrk": ("-v",)}


def machine_table(folder: Path) -> Table:
    """``folder``: where the run keeps its files; on a memory disk the journal's fdatasync costs nothing."""
    rows = [
        ("processor", f"{_cpu_model()}, {cores()} cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("file system", _file_system(folder)),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", f"{platform.python_version()} {platform.python_implementation()}, {interpreter_build()}"),
        *((name, _package_version(name)) for name in _PACKAGES),
        *((name, _program_version(name)) for name in _PROGRAMS),
        ("user agents", f"{best_engine()} engine"),
    ]
    return Table("Machine", ("", ""), tuple(rows))


def host_kind() -> str:
    return f"{platform.machine()}-{cores()}-cores"


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def interpreter_build() -> str:
    """An unoptimised build of CPython costs a fifth to a third: a figure without this line says little.

    Distributions that profile in their own way, as Debian does, do not say so in the settings of the build.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = "--enable-optimizations" in options
    link_time = "--with-lto" in options
    return ("profile-optimised build" if optimised else "profile optimisation not named in the build's settings") + (
        " with LTO" * link_time
    )


def find_program(name: str) -> str | None:
    """Also where system daemons live, which is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/go/bin")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _file_system(folder: Path) -> str:
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    around = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    kind = max(around, default=(0, "unknown"))[1]
    return f"{kind}: NOT a disk, syncing costs nothing here" if kind in ("tmpfs", "ramfs") else kind


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _program_version(name: str) -> str:
    path = find_program(name)
    if path is None:
        return "not installed"
    done = subprocess.run([path, *_PROGRAMS[name]], capture_output=True, text=True, timeout=10, check=False)
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[0].removeprefix("nginx version: ").partition(" Copyright")[0] if said else "unknown"
