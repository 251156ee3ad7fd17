"""Numbers that a database can hold, for paths and parameters."""

from typing import Annotated

from fastapi import Path

Id = Annotated[int, Path(ge=1, le=2**53 - 1)]
