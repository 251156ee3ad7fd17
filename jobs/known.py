"""What is read of jobs, and of what they belong to, within a transaction that changes them: each thing once."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import is_plain, plain_text
from database.changes import numbered_in_order
from database.schema import job_moves, jobs
from jobs.kinds import get_workflow
from jobs.register import Details, Job, list_details, list_jobs_called, no_such_job
from jobs.shops import Shop, ensure_default_shop, get_shop, get_shop_named
from jobs.workflows import Workflow

Arrival = tuple[str, datetime]  # to which stage a move led, and when


class MadeMeanwhileError(Exception):
    """Somebody made one of the jobs just now, which is not held: begin again."""


class Known:
    """Of one transaction. On PostgreSQL, which has several writers at once, jobs that are found are held until it ends."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._in_order = False
        self._default: Shop | None = None
        self._shops: dict[int, Shop] = {}
        self._workflows: dict[str, Workflow] = {}
        self._jobs: dict[str, list[Job]] = {}  # by reference, those of the default shop first
        self._details: dict[int, Details] = {}
        self._arrivals: dict[int, list[Arrival]] = {}

    async def read_ahead(self, references: Collection[str]) -> None:
        """All of these at once. From then on nobody else changes them or makes one. Raises MadeMeanwhileError."""
        if self._in_order or self.connection.dialect.name == "sqlite":
            await self._read(references)
            return
        await self._hold(references)
        held = set(self._ids(()))
        await self.in_order()
        await self._read(references)
        if not held.issuperset(self._ids(())):
            raise MadeMeanwhileError

    async def in_order(self) -> None:
        """From then on kinds stay as they are, and shops as frozen."""
        if not self._in_order:
            await numbered_in_order(self.connection)
            self._in_order = True

    async def shop(self, name: str | None) -> Shop:
        """The default one without a name. Raises NotFound."""
        if not name:
            self._default = self._default or await ensure_default_shop(self.connection)
            return self._default
        known = next((shop for shop in self._shops.values() if shop.name == name.strip()), None)
        known = known or await get_shop_named(self.connection, name)
        return self._shops.setdefault(known.id, known)

    async def shop_now(self, shop: Shop) -> Shop:
        """As it stays until the end: it may have been switched on or frozen since it was read."""
        return shop if self.connection.dialect.name == "sqlite" else await get_shop(self.connection, shop.id)

    async def shop_of(self, job: Job) -> Shop:
        if self._default and self._default.id == job.shop_id:
            return self._default
        if job.shop_id not in self._shops:
            self._shops[job.shop_id] = await get_shop(self.connection, job.shop_id)
        return self._shops[job.shop_id]

    async def workflow(self, kind: str) -> Workflow:
        """Raises NotFound."""
        kind = plain_text(kind)  # PostgreSQL takes no other
        if kind not in self._workflows:
            self._workflows[kind] = await get_workflow(self.connection, kind)
        return self._workflows[kind]

    async def find(self, reference: str, shop_id: int) -> Job | None:
        if reference not in self._jobs:
            await self._hold([reference])
        return next((job for job in self._jobs[reference] if job.shop_id == shop_id), None)

    async def get(self, reference: str, shop: str | None) -> Job:
        """Raises NotFound."""
        found = await self.find(reference, (await self.shop(shop)).id)
        if found is None:
            raise no_such_job(reference, [] if shop else self._jobs[reference])
        return found

    async def details(self, job: Job) -> Details:
        if job.id not in self._details:
            wanted = self._ids(self._details)
            self._details |= dict.fromkeys(wanted, Details()) | await list_details(self.connection, wanted)
        return self._details[job.id]

    async def arrivals(self, job: Job) -> Sequence[Arrival]:
        if job.id not in self._arrivals:
            wanted = self._ids(self._arrivals)
            self._arrivals |= {job_id: [] for job_id in wanted}
            columns = select(job_moves.c.job_id, job_moves.c.to_stage, job_moves.c.at)
            for row in await self.connection.execute(columns.where(job_moves.c.job_id.in_(wanted))):
                self._arrivals[row.job_id].append((row.to_stage, row.at))
        return self._arrivals[job.id]

    def forget(self, references: Collection[str]) -> None:
        """They are others now: what was read of them is not true any more."""
        for job in [job for reference in references for job in self._jobs.get(reference, ())]:
            self._details.pop(job.id, None)
            self._arrivals.pop(job.id, None)
        for reference in references:
            self._jobs.pop(reference, None)

    async def _hold(self, references: Collection[str]) -> None:
        await self._read(references)
        held: set[int] = set()
        while self.connection.dialect.name != "sqlite" and not held.issuperset(found := self._ids(())):
            held.update(found)
            await self.connection.execute(
                select(jobs.c.id).where(jobs.c.id.in_(found)).order_by(jobs.c.id).with_for_update()
            )
            await self._read(references)  # as they are now; one may be another that was made in its place

    async def _read(self, references: Collection[str]) -> None:
        plain = [reference for reference in references if is_plain(reference)]
        self._jobs |= {reference: [] for reference in references}
        for job in await list_jobs_called(self.connection, plain):
            self._jobs[job.reference].append(job)

    def _ids(self, known: Collection[int]) -> list[int]:
        return [job.id for found in self._jobs.values() for job in found if job.id not in known]
