"""An installation with nothing left empty: every kind and stage, every private field of every job another canary."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final

from PIL import Image, PngImagePlugin
from sqlalchemy import insert

from database.engine import Database
from database.schema import outgoing_events
from jobs.freezing import set_tracking
from jobs.job_fields import JobFields, Occasion
from jobs.jobs import delete_job, expire_jobs, move_job, move_job_in, put_job, put_job_in
from jobs.kinds import put_workflow
from jobs.message_texts import CHANNELS, EVENTS
from jobs.register import DETAILS, Job
from jobs.shops import ShopFields, create_shop
from jobs.templates import Template, put_template
from jobs.workflows import BUILT_IN, Workflow, read_workflow
from tests.canaries import Canaries
from tests.status_samples import SHOP

SHOWING, HIDING, FROZEN, WITHDRAWN = "Showing", "Hiding", "Frozen", "Withdrawn"  # shops
LANGUAGE: Final = "en"  # of the templates
OWN_KIND: Final = ("waiting", "working", "ready", "done")  # its stages' phases


@dataclass(frozen=True, slots=True)
class Tracked:
    """``shown``: the words that its own page may say. ``says``: whether there is a page, a notice, or nothing."""

    job: Job
    name: str
    shop: str
    shown: frozenset[str]
    says: int = 200

    @property
    def token(self) -> str:
        assert self.job.token is not None
        return self.job.token.lower()

    @property
    def path(self) -> str:
        return f"/j/{self.token}"


@dataclass(slots=True)
class Filling:
    """Fills a database and tells what is in it."""

    canaries: Canaries
    database: Database
    tracked: list[Tracked] = field(default_factory=list)
    shops: dict[str, int] = field(default_factory=dict)

    async def fill(self) -> None:
        for name in (SHOWING, HIDING, FROZEN, WITHDRAWN):
            await self._shop(name)
        kind = await self._own_kind()
        for workflow in (*BUILT_IN.values(), kind):
            for stage in workflow.stages:
                await self._put(f"{workflow.kind} at {stage.key}", SHOWING, kind=workflow.kind, to=stage.key)
        await self._put("hidden note", HIDING)
        await self._put("late", SHOWING, due_at=datetime.now(UTC) - timedelta(days=2))
        await self._put("late and hidden", HIDING, due_at=datetime.now(UTC) - timedelta(hours=1))
        await self._undone()
        await self._gone()
        await self._stopped()
        self.canaries.watch_tokens({tracked.token: tracked.name for tracked in self.tracked})

    async def _shop(self, name: str) -> None:
        given = {key: getattr(SHOP, key) for key in ShopFields.__slots__}
        holidays = [{"from": "2026-12-24", "until": "2026-12-26", "name": self._word(name, "holiday")}]
        shows = name != HIDING
        fields = ShopFields(**{**given, "name": name, "holidays": holidays, "show_note": shows, "show_photo": shows})
        shop = await create_shop(self.database, fields, who=self._word(name, "who made the shop"))
        self.shops[name] = shop.id
        for event in EVENTS if name == SHOWING else ():
            for channel in CHANNELS:
                said = [self._word(name, event, channel, part) for part in ("subject", "text")]
                template = Template(event, channel, LANGUAGE, said[0] if channel == "email" else "", said[1])
                await put_template(self.database, shop.id, template, who=self._word("who wrote the template"))

    async def _own_kind(self) -> Workflow:
        """Its names for staff and even its keys are canaries; customers of one stage have only Arabic to read."""
        stages = [
            {
                "key": self._word("key of", phase),
                "name": self._word("internal name of", phase),
                "public": {"ar": "\u0642\u064a\u062f"} if phase == "waiting" else {"en": f"Is {phase}"},
                "phase": phase,
                "hours": 4,
            }
            for phase in OWN_KIND
        ]
        workflow = read_workflow(self._word("own kind"), self._word("name of the own kind"), stages)
        return await put_workflow(self.database, workflow, who=self._word("who made the kind"))

    async def _put(self, name: str, shop: str, to: str | None = None, says: int = 200, **fields: Any) -> Tracked:
        """All of it is filled in; then it goes to the stage named, for a reason."""
        item, note = self._word(name, "item"), self._word(name, "public_note")
        details = {key: self._word(name, key) for key in DETAILS}
        reference = self._word(name, "reference")
        given = JobFields(
            shop=shop,
            item=item,
            public_note=note,
            language="fr",
            details=details,
            reason=self._word(name, "reason"),
            **fields,
        )
        async with self.database.transaction() as connection:
            job, _ = await put_job_in(connection, reference, given, self._on(name))
            if to is not None:
                reason = self._word(name, "why moved")
                job = await move_job_in(connection, reference, to, self._on(name), shop=shop, reason=reason)
            payload = {"kept by another version": self._word(name, "outgoing event")}
            row = {"at": datetime.now(UTC), "event": "job.moved", "job_id": job.id, "payload": payload}
            await connection.execute(insert(outgoing_events).values(row))
        shown = {reference, item, *([note] if shop != HIDING else [])}
        tracked = Tracked(job, name, shop, frozenset(shown), says)
        self.tracked.append(tracked)
        return tracked

    async def _undone(self) -> None:
        """A stage that was taken back, and an optional one that was skipped."""
        tracked = await self._put("undone", SHOWING, to="quality")
        for to in ("back", "back", "advance", "back"):
            reason = self._word("undone", to)
            await move_job(self.database, tracked.job.reference, to, self._on("undone"), shop=SHOWING, reason=reason)

    async def _gone(self) -> None:
        expired = await self._put("expired", SHOWING, says=410)
        await expire_jobs(self.database, [expired.job.id], at=datetime.now(UTC))
        deleted = await self._put("deleted", SHOWING, says=404)
        await delete_job(self.database, deleted.job.reference, self._on("who deleted"), SHOWING)

    async def _stopped(self) -> None:
        """What came after a freeze is no more to be read than what is not for customers at all."""
        frozen = await self._put("frozen", FROZEN)
        await self._put("withdrawn", WITHDRAWN, says=410)
        await set_tracking(self.database, self.shops[FROZEN], "frozen", who=self._word("who froze"))
        await set_tracking(self.database, self.shops[WITHDRAWN], "withdrawn", who=self._word("who withdrew"))
        item, note = self._word("item after the freeze"), self._word("after the freeze")
        changed = JobFields(shop=FROZEN, stage="ready", item=item, public_note=note)
        await put_job(self.database, frozen.job.reference, changed, self._on("after the freeze"))
        reference = self._word("without a code", "reference")
        details = {key: self._word("without a code", key) for key in DETAILS}
        await put_job(self.database, reference, JobFields(shop=FROZEN, details=details), self._on("without a code"))

    def _on(self, name: str) -> Occasion:
        return Occasion(self._word(name, "who did it"))

    def _word(self, *meaning: object) -> str:
        return self.canaries.word(*meaning)


def photo_with(word: str) -> bytes:
    """A JPEG that tells of itself wherever a JPEG can."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = word, word
    made = BytesIO()
    Image.effect_noise((160, 120), 60).convert("RGB").save(made, "JPEG", exif=exif, comment=word.encode())
    return made.getvalue()


def logo_with(word: str) -> bytes:
    """A PNG that tells of itself in plain and in compressed text."""
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", word)
    told.add_text("Comment", f"{word} " * 20, zip=True)
    told.add_itxt("Title", word, zip=True)
    made = BytesIO()
    Image.effect_noise((60, 60), 60).save(made, "PNG", pnginfo=told)
    return made.getvalue()
