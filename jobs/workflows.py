"""The stages a kind of job goes through: built-in ones, and a shop's own, read from JSON and written back."""

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from codes.alphabet import CodeError
from codes.names import is_plain
from jobs.built_in_stages import BUILT_IN_KINDS
from jobs.expected import version_of
from jobs.languages import LANGUAGES

Phase = Literal["waiting", "working", "ready", "done"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
MIN_STAGES: Final = 2
MAX_STAGES: Final = 30
MAX_HOURS: Final = 10_000
MAX_NAME: Final = 80
MAX_KEEP_DAYS: Final = 3650
KEEP_DAYS: Final = 90

_KEY: Final = re.compile(r"[a-z0-9-]{1,40}")
_STAGE_KEYS: Final = frozenset({"key", "name", "public", "phase", "hours", "optional"})


class WorkflowError(CodeError):
    """Stages or a kind that cannot be used; the message says which, why and what to do.

    ``part`` is what is wrong, as JSON calls it, a public text by its language; ``place`` counts stages from 0, None:
    it is about the kind.
    """

    def __init__(self, message: str, part: str = "", place: int | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.place = place


@dataclass(frozen=True, slots=True)
class Stage:
    """``name`` is for staff only; ``public`` is what customers read, by language. ``hours`` are working hours, None:
    nobody can say. An optional stage is entered only when chosen, and not announced.
    """

    key: str
    name: str
    public: Mapping[str, str] = field(hash=False)
    phase: Phase
    hours: float | None
    optional: bool = False

    @property
    def is_open(self) -> bool:
        """There is still work to do."""
        return self.phase in ("waiting", "working")

    def public_name(self, language: str) -> str:
        return self.public.get(language) or self.public.get("en") or next(iter(self.public.values()))


@dataclass(frozen=True, slots=True)
class Workflow:
    """A kind of job: ``name`` is for staff, the pages of its jobs are kept for so many days."""

    kind: str
    name: str
    stages: tuple[Stage, ...]
    keep_done_days: int = KEEP_DAYS
    keep_idle_days: int = KEEP_DAYS

    @property
    def version(self) -> str:
        """Another one after each change."""
        return version_of(self.name, written_stages(self.stages), self.keep_done_days, self.keep_idle_days)

    @property
    def first(self) -> Stage:
        return self.stages[0]

    @property
    def done_stage(self) -> Stage:
        return self.stages[-1]

    def find_stage(self, key: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.key == key), None)

    def stage(self, key: str) -> Stage:
        """Raises WorkflowError, with the stages there are."""
        return self.stages[self.index_of(key)]

    def index_of(self, key: str) -> int:
        """Raises WorkflowError, with the stages there are."""
        keys = [stage.key for stage in self.stages]
        if key in keys:
            return keys.index(key)
        raise _no_stage(f"{self.kind} jobs", key, keys)

    def coming(self, key: str) -> tuple[Stage, ...]:
        """The stages ahead, without optional ones; none once it is done."""
        place = self.index_of(key)
        if self.stages[place].phase == "done":
            return ()
        return tuple(stage for stage in self.stages[place + 1 :] if not stage.optional)

    def next_after(self, key: str) -> Stage | None:
        """Where advance leads; None once it is done."""
        return next(iter(self.coming(key)), None)

    def before(self, key: str, reached: Collection[str] = ()) -> Stage | None:
        """Where back leads: the nearest stage that is not optional, or that is among those ``reached``; None at first."""
        earlier = self.stages[: self.index_of(key)]
        return next((stage for stage in reversed(earlier) if not stage.optional or stage.key in reached), None)


def check_stage(key: str, workflows: Iterable[Workflow]) -> None:
    """Raises WorkflowError, with the stages there are, when none of these kinds has it."""
    keys = list(dict.fromkeys(stage.key for workflow in workflows for stage in workflow.stages))
    if key not in keys:
        raise _no_stage("jobs", key, keys)


def state_of(phase: Phase, late: bool) -> str:
    """What rules ask of a job, one of ``codes.conditions.JOB_STATES``; ready and done jobs are never late."""
    if phase in ("ready", "done"):
        return phase
    return "late" if late else "in-progress"


def read_workflow(
    kind: str,
    name: str,
    stages: Any,
    keep_done_days: int = KEEP_DAYS,
    keep_idle_days: int = KEEP_DAYS,
    first_language: str | None = None,
) -> Workflow:
    """A shop's own kind, or its own version of a built-in one. Raises WorkflowError."""
    if not isinstance(kind, str) or not _KEY.fullmatch(kind):
        raise WorkflowError(
            f"a kind is 1 to 40 of a-z, 0-9 and -, not {str(kind)[:60]!r}; try {suggested_key(kind)!r}."
        )
    for days, what in ((keep_done_days, "keep_done_days"), (keep_idle_days, "keep_idle_days")):
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_KEEP_DAYS:
            raise WorkflowError(
                f"{what} is a whole number of days from 1 to {MAX_KEEP_DAYS}, not {str(days)[:40]!r}.", what
            )
    named = _text(name, f"kind {kind}", "name", "name")
    return Workflow(kind, named, read_stages(stages, first_language), keep_done_days, keep_idle_days)


def read_stages(given: Any, first_language: str | None = None) -> tuple[Stage, ...]:
    """Stages in order. Each needs a public text in ``first_language``, the shop's; None: in any. Raises WorkflowError."""
    if not isinstance(given, list | tuple) or not MIN_STAGES <= len(given) <= MAX_STAGES:
        raise WorkflowError(f"stages are a list of {MIN_STAGES} to {MAX_STAGES} objects, in order.")
    stages = tuple(read_stage(entry, place, first_language) for place, entry in enumerate(given))
    keys = [stage.key for stage in stages]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise WorkflowError(f"two stages have the key {twice!r}; give each its own.", "key", keys.index(twice))
    if stages[-1].phase != "done" or stages[-1].optional:
        raise WorkflowError(
            f'the last stage, {stages[-1].key!r}, is where jobs end: its phase is "done" and it is not optional. '
            "Change it, or add one such as picked-up after it.",
            "phase",
            len(stages) - 1,
        )
    if stages[0].optional or stages[0].phase == "done":
        raise WorkflowError(
            f"the first stage, {stages[0].key!r}, is where jobs begin: neither optional nor done.", "phase", 0
        )
    early = next(
        (place for place, stage in enumerate(stages[:-1]) if stage.phase == "done" and not stage.optional), None
    )
    if early is not None:
        raise WorkflowError(
            f"stage {keys[early]!r} is done before the last one; make it optional, or give it another phase.",
            "phase",
            early,
        )
    return stages


def read_stage(given: Any, place: int, first_language: str | None = None) -> Stage:
    """One of them, for itself; ``place`` counts from 0. Raises WorkflowError."""
    try:
        return _read_stage(given, place + 1, first_language)
    except WorkflowError as error:
        error.place = place
        raise


def suggested_key(name: Any, taken: Collection[str] = (), otherwise: str = "in-work") -> str:
    """One that reads like ``name``, and that none of ``taken`` is; made of ``otherwise`` for a name without Latin letters."""
    plain = unicodedata.normalize("NFKD", str(name or "").lower()).encode("ascii", "ignore").decode()
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or otherwise
    numbered = (f"{key[:36]}-{number}" for number in itertools.count(2))
    return next(found for found in itertools.chain([key], numbered) if found not in taken)


def written_stages(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """The JSON that ``read_stages`` makes the same stages of."""
    return [
        {
            "key": stage.key,
            "name": stage.name,
            "public": dict(stage.public),
            "phase": stage.phase,
            "hours": stage.hours,
            **({"optional": True} if stage.optional else {}),
        }
        for stage in stages
    ]


def _read_stage(given: Any, number: int, first_language: str | None) -> Stage:
    where = f"stage {number}"
    if not isinstance(given, Mapping):
        raise WorkflowError(
            f'{where}: give an object like {{"key": "diagnosis", "name": "Diagnosis", '
            f'"public": {{"en": "Being examined"}}, "phase": "working", "hours": 8}}.'
        )
    unknown = next((str(key) for key in given if key not in _STAGE_KEYS), None)
    if unknown is not None:
        raise WorkflowError(f"{where} has no {unknown[:40]!r}; it has {', '.join(sorted(_STAGE_KEYS))}.")
    key = given.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        suggestion = suggested_key(key or given.get("name"))
        raise WorkflowError(
            f"{where}: its key is 1 to 40 of a-z, 0-9 and -, not {str(key)[:60]!r}; try {suggestion!r}.", "key"
        )
    where = f"stage {key!r}"
    phase = given.get("phase")
    if phase not in PHASES:
        raise WorkflowError(f"{where}: its phase is one of {', '.join(PHASES)}, not {str(phase)[:40]!r}.", "phase")
    optional = given.get("optional", False)
    if not isinstance(optional, bool):
        raise WorkflowError(f"{where}: optional is true or false.", "optional")
    name = _text(given.get("name"), where, "name", "name")
    return Stage(
        key, name, _read_public(given.get("public"), where, first_language), phase, _read_hours(given, where), optional
    )


def _read_public(given: Any, where: str, first_language: str | None) -> Mapping[str, str]:
    if not isinstance(given, Mapping):
        raise WorkflowError(f'{where}: public holds what customers read, by language: {{"en": "Being examined"}}.')
    foreign = next((str(language) for language in given if language not in LANGUAGES), None)
    if foreign is not None:
        raise WorkflowError(
            f"{where}, public: there is no language {foreign[:20]!r}; there are {', '.join(LANGUAGES)}."
        )
    texts = {
        language: _text(text, where, f"public text ({language})", language) for language, text in given.items() if text
    }
    if first_language is None and not texts:
        raise WorkflowError(f"{where}: customers need a public text in one language at least.", "public")
    if first_language is not None and first_language not in texts:
        raise WorkflowError(
            f"{where}: customers need a public text in the shop's first language, {LANGUAGES[first_language]}; "
            f'add "{first_language}" to public.',
            first_language,
        )
    return texts


def _read_hours(given: Mapping[str, Any], where: str) -> float | None:
    hours = given.get("hours")
    if hours is None:
        return None
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= MAX_HOURS:
        raise WorkflowError(
            f"{where}: hours are working hours from 0 to {MAX_HOURS:,}, or null when nobody can say; not {str(hours)[:40]!r}.",
            "hours",
        )
    return hours


def _text(given: Any, where: str, what: str, part: str) -> str:
    text = given.strip() if isinstance(given, str) else ""
    if not 1 <= len(text) <= MAX_NAME or not is_plain(text):
        raise WorkflowError(f"{where}: its {what} is one line of 1 to {MAX_NAME} characters.", part)
    return text


BUILT_IN: Final[Mapping[str, Workflow]] = MappingProxyType(
    {kind: read_workflow(kind, name, stages) for kind, (name, stages) in BUILT_IN_KINDS.items()}
)


def _no_stage(whose: str, key: str, keys: Sequence[str]) -> WorkflowError:
    near = get_close_matches(key, keys, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return WorkflowError(f"{whose} have no stage {key[:40]!r}.{hint} There are {', '.join(keys)}.")
