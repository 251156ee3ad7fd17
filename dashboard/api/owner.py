"""The one-time link that creates the first owner or lets an owner set a new password."""

from fastapi import APIRouter
from pydantic import BaseModel

from dashboard.access import Forbidden, Owner, TheParts

router = APIRouter(prefix="/owner", tags=["owner"])


class OwnerLink(BaseModel):
    url: str
    purpose: str
    expires_in_s: int


@router.post("/link", status_code=201)
async def make_link(who: Owner, parts: TheParts) -> OwnerLink:
    """Only for the local owner: whoever can read this machine's owner file."""
    if who.way != "local":
        raise Forbidden("owner links are made on the machine itself: run `waymark owner reset` there.")
    token, purpose = await parts.accounts.create_owner_link()
    return OwnerLink(url=f"{parts.settings.dashboard_url}/setup/{token}", purpose=purpose, expires_in_s=3600)


@router.get("")
async def owner_state(_who: Owner, parts: TheParts) -> dict[str, bool]:
    return {"exists": await parts.accounts.owner_exists()}
