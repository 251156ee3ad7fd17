"""A second reader: Debian's zbar-tools, when they are installed. Without them nothing is checked here."""

import io
import shutil
import subprocess
from functools import lru_cache
from typing import Final

from PIL import Image

WITHIN_S: Final = 30
NOTHING_FOUND: Final = 4


@lru_cache(maxsize=1)
def find_program() -> str | None:
    return shutil.which("zbarimg")


def find_texts(image: Image.Image) -> list[str] | None:
    """What all QR codes in the picture say; None where zbar is missing or itself fails."""
    program = find_program()
    if program is None:
        return None
    out = io.BytesIO()
    image.convert("L").save(out, "PPM")
    options = ["--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", "-"]
    try:
        done = subprocess.run([program, *options], input=out.getvalue(), capture_output=True, timeout=WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode not in (0, NOTHING_FOUND):
        return None
    return done.stdout.decode("utf-8", "replace").splitlines()
