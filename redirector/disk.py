"""What the journal asks of its disk, in calls that the syncer's thread may make, too."""

import errno
import os
from pathlib import Path


def is_deleted(fd: int) -> bool:
    """Somebody removed the file: what is written there now, nobody will find."""
    try:
        return os.fstat(fd).st_nlink == 0
    except OSError:
        return True


def free_bytes(folder: Path) -> int | None:
    """None: the disk does not tell, and writing will show it."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def no_sync() -> None:
    """Takes a turn of the syncer's thread."""


def sync_and_close(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """The names in it. A file system that has no such thing is not at fault."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
