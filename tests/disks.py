"""Disks and folders that refuse: small ones, full ones, frozen ones."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk or freezing files needs root")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own at this folder; gone afterwards whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "none", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount a disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path, left_mb: int = 0) -> Iterator[None]:
    """No more than this is left on the disk that holds this folder."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while shutil.disk_usage(folder).free > left_mb * 1_000_000 or not left_mb:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Neither the files in this folder nor the folder itself can be changed, not even by who has them open."""
    froze = subprocess.run(["chattr", "-R", "+i", str(folder)], capture_output=True, text=True)
    try:
        if froze.returncode:
            pytest.skip(f"files cannot be frozen on this file system: {froze.stderr.splitlines()[0]}")
        yield
    finally:
        subprocess.run(["chattr", "-R", "-i", str(folder)], capture_output=True)
