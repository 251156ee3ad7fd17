"""The pages on which a code gets its rules and options, and on which an imagined scan is tried. Nothing here is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, ClassVar, Final

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.codes import CodeChange, change_code
from codes.destinations import DestinationError
from codes.errors import Conflict, NotFound
from codes.options import UTM_FIELDS, shown_options
from codes.register import Code
from codes.rules import RuleError
from dashboard.access import Identity, TheParts
from dashboard.addresses import code_path, domain_query
from dashboard.api.simulate import ImaginedIn, SimulationOut, simulation_of
from dashboard.asked_code import asked_domain, get_asked_code, other_domain
from dashboard.forms import read_form
from dashboard.option_forms import option_fields, options_of
from dashboard.parts import Parts
from dashboard.periods import zone_for, zone_names
from dashboard.rule_editor import RulesEditor, editor_for, given_rules, is_saving
from dashboard.rule_forms import MAX_FIELDS
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form

router = APIRouter(include_in_schema=False)

SIMULATED: Final = ("device", "os", "app", "country", "region", "city", "asn", "language", "referrer", "job")


@dataclass(frozen=True, slots=True)
class RulesPage:
    """``editor`` and ``options`` carry what is typed, and what is wrong with it."""

    template: ClassVar[str] = "rules.html"
    active: ClassVar[str] = "codes"
    utm: ClassVar[tuple[str, ...]] = UTM_FIELDS
    code: str
    title: str
    path: str
    destination: str
    version: int
    editor: RulesEditor
    options: Form
    has_password: bool
    of_domain: str = ""  # what addresses below the path end with


@dataclass(frozen=True, slots=True)
class SimulatePage:
    template: ClassVar[str] = "simulate.html"
    active: ClassVar[str] = "codes"
    code: str
    title: str
    path: str
    version: int
    form: Form
    zones: tuple[str, ...]
    result: SimulationOut | None
    domain: str = ""  # when it is not the default one

    @property
    def asked_at(self) -> str:
        """The moment of the imagined scan, on the clock it was asked by and in UTC."""
        if self.result is None:
            return ""
        zone = zone_for(self.form.value("zone"))
        local, utc = self.result.at.astimezone(zone), self.result.at.astimezone(UTC)
        return f"{local:%a %Y-%m-%d %H:%M} in {zone.key}" + (f" ({utc:%H:%M} UTC)" if zone.key != "UTC" else "")

    @property
    def of_domain(self) -> str:
        return domain_query(self.domain)


@router.get("/codes/{text}/rules")
async def rules(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _page(text, request, who, parts)


@router.post("/codes/{text}/rules")
async def change_rules(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    """Every button sends the whole form; only "save" and "json" change the code."""
    fields = await read_form(request, who, max_fields=MAX_FIELDS)
    if not is_saving(fields):
        return await _page(text, request, who, parts, sent=fields)
    try:
        change = CodeChange(
            rules=given_rules(fields),
            reason=fields.get("reason", "")[:500],
            expected_version=_whole(fields.get("version")),
        )
        policy, domain = parts.settings.policy, asked_domain(request)
        await change_code(parts.database, text, change, who=who.name, policy=policy, domain=domain)
    except (CodeError, Conflict) as error:
        status = 409 if isinstance(error, Conflict) else 422
        return await _page(text, request, who, parts, sent=fields, error=error, status=status)
    return RedirectResponse(code_path(text, asked_domain(request), "/rules"), 303)


@router.post("/codes/{text}/options")
async def change_options(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who, max_fields=60)
    try:
        change = CodeChange(options=options_of(fields), expected_version=_whole(fields.get("version")))
        policy, domain = parts.settings.policy, asked_domain(request)
        await change_code(parts.database, text, change, who=who.name, policy=policy, domain=domain)
    except (CodeError, DestinationError, Conflict) as error:
        form = Form({name: value for name, value in fields.items() if name != "password"}, {"": sentence(error)})
        status = 409 if isinstance(error, Conflict) else 422
        return await _page(text, request, who, parts, options=form, status=status)
    return RedirectResponse(code_path(text, asked_domain(request), "/rules"), 303)


@router.get("/codes/{text}/simulate")
async def simulate(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    asked = {name: value.strip() for name, value in request.query_params.items()}
    code = await _get(text, request, parts)
    result, errors = None, {}
    if "version" in asked:
        try:
            result = await simulation_of(parts, text, _imagined(asked), asked_domain(request))
        except (RuleError, NotFound) as error:
            errors[""] = sentence(error)
        except ValidationError as error:
            errors[""] = "; ".join(f"{entry['loc'][0]}: {entry['msg']}" for entry in error.errors())
    zone = zone_for(request.cookies.get("tz")).key
    form = Form({"zone": zone, "version": "now", **asked}, errors)
    title, path, zones = code.name or code.code, code_path(code.code), zone_names()
    page = SimulatePage(code.code, title, path, code.version, form, zones, result, other_domain(code))
    return show(request, page, who, status=422 if errors else 200)


async def _page(
    text: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    sent: Mapping[str, str] | None = None,
    error: Exception | None = None,
    options: Form | None = None,
    status: int = 200,
) -> Response:
    code = await _get(text, request, parts)
    zone, of_domain = zone_for(request.cookies.get("tz")).key, domain_query(other_domain(code))
    path, version = code_path(code.code), str(code.version)
    page = RulesPage(
        code=code.code,
        title=code.name or code.code,
        path=path,
        destination=code.destination,
        version=code.version,
        editor=editor_for(
            f"{path}/rules{of_domain}",
            version,
            "every scan goes to the code's destination",
            code.rules,
            zone,
            sent=sent,
            error=error,
        ),
        options=options or Form(option_fields(shown_options(code.options), zone)),
        has_password=code.options.password_hash is not None,
        of_domain=of_domain,
    )
    return show(request, page, who, status=status)


async def _get(text: str, request: Request, parts: Parts) -> Code:
    async with parts.database.reading() as connection:
        return await get_asked_code(connection, request, text)


def _imagined(asked: Mapping[str, str]) -> ImaginedIn:
    """Empty fields are unknown. Raises ValidationError."""
    given: dict[str, Any] = {name: asked[name] for name in SIMULATED if asked.get(name)}
    given |= {name: asked[name] for name in ("at", "zone", "query", "visitor", "scans") if asked.get(name)}
    version = asked.get("version") or "now"
    given["version"] = int(version) if version.isdecimal() and len(version) < 10 else version
    given["unlocked"] = bool(asked.get("unlocked"))
    return ImaginedIn.model_validate(given)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
