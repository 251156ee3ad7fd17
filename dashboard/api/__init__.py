"""API v1: what programs and the command line may ask. One router, listed here; models beside their routes."""

from fastapi import APIRouter

from dashboard.api import (
    backups,
    batches,
    bulk,
    campaigns,
    checks,
    codes,
    demo,
    domains,
    exchange,
    history,
    live,
    owner,
    placements,
    places,
    reports,
    scans,
    schedule,
    sheets,
    simulate,
    status,
    symbols,
    tokens,
)

router = APIRouter(prefix="/api/v1")
for module in (
    codes,
    symbols,
    sheets,
    campaigns,
    placements,
    batches,
    domains,
    exchange,
    history,
    schedule,
    simulate,
    bulk,
    checks,
    reports,
    scans,
    live,
    tokens,
    owner,
    places,
    demo,
    backups,
    status,
):
    router.include_router(module.router)
