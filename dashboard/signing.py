"""Signing in and out, and the one-time pages for the first owner and for a new password."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.errors import NotFound
from dashboard.access import COOKIE, Identity, TheParts, find_identity
from dashboard.accounts import MIN_PASSWORD, SESSION_LIFE, AccountError, User
from dashboard.error_views import error_page
from dashboard.forms import form_token, keep_form_token, read_form
from dashboard.parts import Parts
from dashboard.show import address_of, is_secure, sentence, show, theme_of
from dashboard.views import Form, LoginPage, PasswordPage

router = APIRouter(include_in_schema=False)
_USED_UP: Final = "It was used, replaced or is over an hour old. `waymark owner reset` on the server makes a new one."


@router.get("/login")
async def login_form(request: Request, parts: TheParts) -> Response:
    if await _session(request, parts):
        return RedirectResponse("/", 303)
    notice = (
        ""
        if await parts.accounts.owner_exists()
        else (
            "There is no account yet. `waymark serve` printed a one-time address for the first owner; "
            "`waymark owner reset` on the server makes a new one."
        )
    )
    return _login_page(request, next_path=_own_path(request.query_params.get("next", "")), notice=notice)


@router.post("/login")
async def log_in(request: Request, parts: TheParts) -> Response:
    fields = await read_form(request)
    email, password = fields.get("email", ""), fields.get("password", "")
    following = _own_path(fields.get("next", ""))
    limit, keys = (
        request.app.state.failures,
        (f"address {address_of(request)}", f"account {email.strip().lower()[:254]}"),
    )
    if wait := limit.wait_s(*keys):
        form = Form({"email": email}, {"": f"Too many tries. Wait {int(wait // 60) + 1} minutes, then try again."})
        return _login_page(request, form, following, status=429)
    limit.note_failure(*keys)  # before the slow check: a thousand tries at once are a thousand tries
    user = await parts.accounts.check_password(email, password)
    if user is None:
        form = Form({"email": email}, {"": "E-mail and password do not fit together."})
        return _login_page(request, form, following, status=401)
    limit.forget(*keys)
    return await _signed_in(request, parts, user, following)


@router.post("/logout")
async def log_out(request: Request, parts: TheParts) -> Response:
    identity = await _session(request, parts)
    if identity is not None:
        await read_form(request, identity)
        await parts.accounts.delete_session(request.cookies[COOKIE])
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/setup/{token}")
async def password_form(token: str, request: Request, parts: TheParts) -> Response:
    link = await parts.accounts.find_owner_link(token)
    if link is None:
        return _used_up(request)
    return _password_page(request, token, link.purpose)


@router.post("/setup/{token}")
async def set_password(token: str, request: Request, parts: TheParts) -> Response:
    fields = await read_form(request)
    link = await parts.accounts.find_owner_link(token)
    if link is None:
        return _used_up(request)
    password = fields.get("password", "")
    typed = {name: fields.get(name, "") for name in ("name", "email")}
    if password != fields.get("password_again", ""):
        form = Form(typed, {"password_again": "The two passwords differ."})
        return _password_page(request, token, link.purpose, form, 422)
    try:
        if link.purpose == "setup":
            user = await parts.accounts.use_setup_link(
                token, email=typed["email"], name=typed["name"], password=password
            )
        else:
            user = await parts.accounts.use_reset_link(token, password)
    except AccountError as error:
        return _password_page(request, token, link.purpose, Form(typed, {"": sentence(error)}), 422)
    except NotFound:
        return _used_up(request)
    return await _signed_in(request, parts, user, "/")


async def _session(request: Request, parts: Parts) -> Identity | None:
    identity = await find_identity(request, parts)
    return identity if identity and identity.way == "session" else None


async def _signed_in(request: Request, parts: Parts, user: User, following: str) -> Response:
    token = await parts.accounts.create_session(user)
    response = RedirectResponse(following or "/", 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )
    return response


def _login_page(
    request: Request, form: Form | None = None, next_path: str = "", *, notice: str = "", status: int = 200
) -> Response:
    token = form_token(request)
    page = LoginPage(token, form or Form(), next_path, notice, theme_of(request))
    return keep_form_token(show(request, page, status=status), token, secure=is_secure(request))


def _password_page(request: Request, token: str, kind: str, form: Form | None = None, status: int = 200) -> Response:
    secret = form_token(request)
    page = PasswordPage(kind, f"/setup/{token}", secret, form or Form(), MIN_PASSWORD, theme_of(request))
    return keep_form_token(show(request, page, status=status), secret, secure=is_secure(request))


def _used_up(request: Request) -> Response:
    return show(request, error_page(410, _USED_UP, theme_of(request)), status=410)


def _own_path(path: str) -> str:
    """Only a path on this host: nobody is sent elsewhere after signing in."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else ""
