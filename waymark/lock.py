"""The data folder's lock: one process at a time may change what the private side owns."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from waymark.config import ConfigError

LOCK_NAME: Final = "waymark.lock"


class DataFolderBusy(Exception):  # noqa: N818  the condition, as in the sentence people read
    """Another process holds the data folder; the message says which and what to do."""


@contextmanager
def data_lock(folder: Path) -> Iterator[None]:
    """Held until the block ends or the process dies. Raises DataFolderBusy, or ConfigError when it cannot be written."""
    path = folder / LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"the lock {path} cannot be opened: {error.strerror}. Give this user the right to write in the data folder, "
            "or set another [data] dir in config.toml."
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderBusy(_busy(folder, os.pread(fd, 20, 0))) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)  # only for the message to others
        yield
    finally:
        os.close(fd)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder now; asks without taking it away from anybody."""
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _busy(folder: Path, holder: bytes) -> str:
    process = f"process {holder.decode()}" if holder.isdigit() else "another process"
    return (
        f"the data folder {folder} is in use by {process}: a Waymark is running on it already. "
        "Stop that one first, or give this one its own [data] dir in config.toml."
    )
