"""API tokens: made, listed, revoked by owners. The secret is in the answer to its creation and nowhere else."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dashboard.access import Owner, TheParts
from dashboard.accounts import Role, Token

router = APIRouter(prefix="/tokens", tags=["tokens"])


class TokenIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    role: Role = "viewer"
    replace: bool = False


class TokenMade(BaseModel):
    name: str
    token: str
    role: str


class TokenOut(BaseModel):
    name: str
    role: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None


@router.post("", status_code=201)
async def add_token(body: TokenIn, who: Owner, parts: TheParts) -> TokenMade:
    token = await parts.accounts.create_token(body.name, body.role, who=who.name, replace=body.replace)
    return TokenMade(name=body.name.strip().lower(), token=token, role=body.role)


@router.get("")
async def get_tokens(_who: Owner, parts: TheParts) -> dict[str, list[TokenOut]]:
    return {"tokens": [token_out(token) for token in await parts.accounts.list_tokens()]}


@router.delete("/{name:path}", status_code=204, response_class=Response)
async def revoke_token(name: str, who: Owner, parts: TheParts) -> None:
    await parts.accounts.revoke_token(name, who=who.name)


def token_out(token: Token) -> TokenOut:
    return TokenOut(**{name: getattr(token, name) for name in TokenOut.model_fields})
