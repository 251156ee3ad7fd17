"""API v1: what programs and the command line may ask. One router, listed here; models beside their routes."""

from fastapi import APIRouter

from dashboard.api import codes, demo, live, owner, places, reports, scans, status, tokens

router = APIRouter(prefix="/api/v1")
for module in (codes, reports, scans, live, tokens, owner, places, demo, status):
    router.include_router(module.router)
