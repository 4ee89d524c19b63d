"""Whatever is sent, with and without a key: the answer is one that the OpenAPI document names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, settings

from bandit_platform.bootstrap import build, build_serving
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app, create_decision_app
from bandit_platform.web.limits import Limits

schemathesis = pytest.importorskip("schemathesis")

OPERATIONS = {
    "shop": ["decide", "activate", "record_events", "healthz", "readyz", "metrics"],
    "console": [
        "list_experiments",
        "get_experiment",
        "apply",
        "replace_experiment",
        "change_state",
        "report",
        "trace",
        "deployments",
        "models",
        "promote",
        "ramp",
        "hold",
        "pin",
        "release",
        "roll_back",
        "ask_question",
        "list_questions",
        "get_question",
        "healthz",
        "readyz",
        "metrics",
    ],
}
CASES = [(port, name) for port, names in OPERATIONS.items() for name in names]
EXAMPLES = 200
pytestmark = pytest.mark.hypothesis  # requests are drawn, inside the tests
UNLIMITED = Limits(key_rate=0, stranger_rate=0)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Iterator[dict[str, Any]]:
    """Both applications, without limits, as schemas to draw requests from; and a key for all."""
    options = Settings(data_dir=tmp_path_factory.mktemp("any"), refresh_seconds=3600)
    platform = build(options)
    spec = parse_toml(spec_text)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    key = platform.keys.create(role=Role.ADMIN).text
    serving = build_serving(options)
    apps = {
        "shop": create_decision_app(serving, UNLIMITED),
        "console": create_console_app(platform, options, UNLIMITED),
    }
    found = {n: schemathesis.openapi.from_wsgi("/openapi.json", app) for n, app in apps.items()}
    yield {**found, "key": key}
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    structlog.reset_defaults()


def operation(schema: Any, name: str) -> Any:
    for found in schema.get_all_operations():
        if found.ok().definition.raw.get("operationId") == name:
            return found.ok()
    raise AssertionError(name)


def takes_anything(found: Any) -> bool:
    """Whether requests can differ at all: a path without parameters and body is asked one way."""
    raw = found.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody") or raw.get("security"))


def try_requests(found: Any, strategy: Any, examples: int, check: Any) -> None:
    """Check so many requests, not one fewer."""
    tried = 0

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def run(case: Any) -> None:
        nonlocal tried
        check(case)
        tried += 1

    run()
    assert tried >= (examples if takes_anything(found) else 1)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("port", "name"), CASES, ids=lambda value: value)
def test_with_a_key_every_answer_is_a_documented_one(
    ports: dict[str, Any], port: str, name: str, mode: str
) -> None:
    """Also to requests that break the document, each of which is refused."""
    from schemathesis import GenerationMode  # noqa: PLC0415
    from schemathesis.specs.openapi.checks import (  # noqa: PLC0415
        negative_data_rejection,
        positive_data_acceptance,
    )

    found = operation(ports[port], name)
    if mode == "negative" and not takes_anything(found):
        return  # nothing of such a request could be wrong
    headers = {"Authorization": f"Bearer {ports['key']}"}
    beyond_schemas = [positive_data_acceptance]  # which arms and fields there are, for instance
    if name == "record_events":  # each event has an answer of its own
        beyond_schemas.append(negative_data_rejection)

    def check(case: Any) -> None:
        answer = case.call(headers=headers)
        # a body with a hundred arms may be too large, which refuses it as well
        excluded = [negative_data_rejection] if answer.status_code == 413 else []
        case.validate_response(
            answer, headers=headers, excluded_checks=[*beyond_schemas, *excluded]
        )

    examples = EXAMPLES if mode == "positive" else EXAMPLES // 2
    try_requests(found, found.as_strategy(GenerationMode(mode)), examples, check)


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (port, name)
        for port, name in CASES
        if name in {"decide", "report", "trace", "get_experiment"}
    ],
    ids=lambda value: value,
)
def test_about_an_experiment_that_runs(ports: dict[str, Any], port: str, name: str) -> None:
    from schemathesis import checks  # noqa: PLC0415
    from schemathesis.specs.openapi.checks import (  # noqa: PLC0415
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    headers = {"Authorization": f"Bearer {ports['key']}"}
    wanted = [
        checks.not_a_server_error,
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    ]

    def check(case: Any) -> None:
        case.path_parameters["experiment"] = "checkout-offers"
        case.call_and_validate(headers=headers, checks=wanted)

    found = operation(ports[port], name)
    try_requests(found, found.as_strategy(), 100, check)


@pytest.mark.parametrize(("port", "name"), CASES, ids=lambda value: value)
def test_without_a_key_nothing_happens(ports: dict[str, Any], port: str, name: str) -> None:
    from schemathesis import GenerationMode  # noqa: PLC0415

    found = operation(ports[port], name)
    strategy = found.as_strategy()
    if takes_anything(found):
        strategy |= found.as_strategy(GenerationMode.NEGATIVE)
    wanted = {401} if found.definition.raw.get("security") else {200}

    def check(case: Any) -> None:
        case.headers.pop("Authorization", None)
        assert case.call().status_code in wanted

    try_requests(found, strategy, EXAMPLES, check)


def test_no_operation_is_left_out(ports: dict[str, Any]) -> None:
    for port, names in OPERATIONS.items():
        operations = [each.ok().definition.raw for each in ports[port].get_all_operations()]
        assert {each["operationId"] for each in operations} == set(names)
