"""The API's own description: it is valid OpenAPI 3.1, and whatever is asked, the answer is one it describes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.python import asgi

from analytics.live import LiveFeed
from dashboard.app import create_private_app
from tests.conftest import config_in, local_owner
from waymark.config import Config, Private
from waymark.private import open_parts
from waymark.private_wiring import private_settings

ENDLESS_OR_SLOW = r"/api/v1/(live|demo)$"
HEALTH = list(HealthCheck)
EXCLUDED = {
    "positive_data_acceptance",  # a destination may fit the description and be refused all the same
    "negative_data_rejection",  # unknown query parameters are ignored
    "ignored_auth",  # who may ask what has a test of its own
    "object_level_authorization",
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = config_in(tmp_path_factory.mktemp("openapi") / "data")
    return replace(config, private=Private(allowed_hosts=(asgi.HOST,)))


@pytest.fixture(scope="module")
def described(installation: Config) -> Iterator[Any]:
    """The description, as the running app hands it out."""
    plain = private_settings(installation, "")
    app = create_private_app(plain.version, plain.allowed_hosts, open_parts(installation, LiveFeed()))
    yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    asgi.shutdown_lifespans()


def likely(case: Any) -> Any:
    """Every other case about a code that exists, or with a destination that is accepted: random ones never are."""
    if "code" in case.path_parameters and len(str(case.path_parameters["code"])) % 2:
        case.path_parameters["code"] = "spring"
    if isinstance(case.body, dict) and len(str(case.body.get("destination", ""))) % 2:
        case.body["destination"] = "https://example.com/"
    return case


def check_operation(operation: Any, mode: GenerationMode, headers: dict[str, str], examples: int) -> None:
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in EXCLUDED]

    @given(case=operation.as_strategy(generation_mode=mode).map(likely))
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=HEALTH)
    def check(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    check()


def check_all(described: Any, installation: Config, examples: int) -> int:
    spring = {"destination": "https://example.com/", "slug": "spring"}
    operations = [found.ok() for found in described.exclude(path_regex=ENDLESS_OR_SLOW).get_all_operations()]
    with asgi.get_client(described.app) as client:  # starts the app, which writes the owner's token
        headers = local_owner(installation)
        assert client.post("/api/v1/codes", json=spring, headers=headers).status_code in (201, 409)
        for operation in operations:
            for mode in GenerationMode:
                check_operation(operation, mode, headers, examples)
    return len(operations)


def test_the_description_is_valid_openapi_3_1(described: Any) -> None:
    assert described.raw_schema["openapi"] == "3.1.0"
    described.validate()


def test_every_operation_describes_its_errors(described: Any) -> None:
    for path, operations in described.raw_schema["paths"].items():
        for method, operation in operations.items():
            problem = operation["responses"]["default"]["content"]["application/problem+json"]
            assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}, (method, path)
            assert operation["security"] == [{"HTTPBearer": []}], (method, path)


def test_every_answer_is_one_that_is_described(described: Any, installation: Config) -> None:
    assert check_all(described, installation, examples=2) >= 20


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_every_answer_to_many_questions_is_one_that_is_described(described: Any, installation: Config) -> None:
    assert check_all(described, installation, examples=20) >= 20
