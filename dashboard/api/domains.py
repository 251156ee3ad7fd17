"""Short domains over the API: add, list, read, change where unknown codes go, archive."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from codes.domains import (
    Domain,
    DomainChange,
    add_domain,
    count_codes_by_domain,
    find_domain,
    list_domains,
    update_domain,
)
from codes.errors import NotFound
from dashboard.access import Editor, Owner, TheParts, Viewer

router = APIRouter(tags=["domains"])

Archived = Annotated[bool, Query(description="The archived ones, too.")]


class DomainIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=300, description="https://HOST, or HOST alone.", examples=["https://go.example"])
    not_found_url: str = Field("", max_length=10_000, description="Where unknown codes go; empty: our own page.")


class DomainChangeIn(BaseModel):
    """Left-out fields stay; an empty not_found_url is our own page."""

    model_config = ConfigDict(extra="forbid")

    not_found_url: str | None = Field(None, max_length=10_000)
    archived: bool | None = None
    force: bool = Field(False, description="Archive although codes on it are printed.")


class DomainOut(BaseModel):
    host: str
    scheme: str
    is_default: bool
    not_found_url: str | None
    codes: int
    archived_at: datetime | None


class DomainList(BaseModel):
    domains: list[DomainOut]


@router.post("/domains", status_code=201)
async def new_domain(body: DomainIn, who: Owner, parts: TheParts) -> DomainOut:
    """Its DNS name must lead here, and the certificate must name it."""
    policy = parts.settings.policy
    made = await add_domain(parts.database, body.address, who=who.name, policy=policy, not_found_url=body.not_found_url)
    return domain_out(made, {})


@router.get("/domains")
async def get_domains(_who: Viewer, parts: TheParts, archived: Archived = False) -> DomainList:
    async with parts.database.reading() as connection:
        found, counts = await list_domains(connection, archived=archived), await count_codes_by_domain(connection)
    return DomainList(domains=[domain_out(domain, counts) for domain in found])


@router.get("/domains/{host}")
async def show_domain(host: str, _who: Viewer, parts: TheParts) -> DomainOut:
    async with parts.database.reading() as connection:
        found, counts = await find_domain(connection, host), await count_codes_by_domain(connection)
    if found is None:
        raise NotFound(f"there is no short domain {host[:260]!r}. `waymark domain list` shows those there are.")
    return domain_out(found, counts)


@router.patch("/domains/{host}")
async def patch_domain(host: str, body: DomainChangeIn, who: Editor, parts: TheParts) -> DomainOut:
    change = DomainChange(body.not_found_url, body.archived, body.force)
    changed = await update_domain(parts.database, host, change, who=who.name, policy=parts.settings.policy)
    async with parts.database.reading() as connection:
        return domain_out(changed, await count_codes_by_domain(connection))


def domain_out(domain: Domain, counts: dict[int, int]) -> DomainOut:
    return DomainOut(
        host=domain.host,
        scheme=domain.scheme,
        is_default=domain.is_default,
        not_found_url=domain.not_found_url,
        codes=counts.get(domain.id, 0),
        archived_at=domain.archived_at,
    )
