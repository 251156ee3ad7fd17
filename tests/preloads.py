"""Faults below the programs: libraries loaded into every process of a real service, told what to do through a file."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long days(void) {
    char text[16] = {0};
    int fd = open(getenv("SHIFTED_CLOCK"), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) at->tv_sec += 86400 * days();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
_SYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    char below[4096] = {0}, link[64], path[4096] = {0};
    int file = open(getenv("FAILING_SYNC"), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t got = read(file, below, sizeof below - 1);
    close(file);
    if (got <= 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof path - 1) > 0 && strncmp(path, below, strlen(below)) == 0;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    if (fails(fd)) { errno = EIO; return -1; }
    return real(fd);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    if (fails(fd)) { errno = EIO; return -1; }
    return real(fd);
}
"""


class ShiftedClock:
    """The wall clock of every process started from now on: ``jump`` moves it by days, in the running ones too."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._days = folder / "days"
        self.jump(0)
        _preload(folder, "clock", _CLOCK, monkeypatch)
        monkeypatch.setenv("SHIFTED_CLOCK", str(self._days))

    def jump(self, days: int) -> None:
        _replace(self._days, str(days))


class FailingSync:
    """The disk of every process started from now on: within ``below`` it takes what is written and fails to sync it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._below = folder / "fails-below"
        _preload(folder, "sync", _SYNC, monkeypatch)
        monkeypatch.setenv("FAILING_SYNC", str(self._below))

    @contextmanager
    def below(self, folder: Path) -> Iterator[None]:
        _replace(self._below, str(folder.resolve()))
        try:
            yield
        finally:
            self._below.unlink()


def _preload(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("a fault below real processes needs a C compiler")
    code, library = folder / f"{name}.c", folder / f"{name}.so"
    code.write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(code), "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))


def _replace(path: Path, text: str) -> None:
    """Never half there for a reader."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
