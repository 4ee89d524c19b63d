"""The OpenAPI document is valid, complete and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bandit_platform.web.auth import PERMISSIONS

VERBS = {"get", "put", "post", "delete", "patch"}
PORTS = ["shop", "console"]
PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}


def document(standing: Any, port: str) -> dict[str, Any]:
    answer = getattr(standing, port).test_client().get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    found: dict[str, Any] = answer.json
    return found


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in spec["paths"].items():
        for verb, operation in item.items():
            if verb in VERBS:
                yield path, verb, {"parameters": item.get("parameters", []), **operation}


def routes(app: Any) -> set[tuple[str, str]]:
    """(path, verb) of everything that programs ask."""
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/v1/") or rule.endpoint.startswith("health."):
            verbs = rule.methods - {"HEAD", "OPTIONS"}
            found |= {(shown(rule), method.lower()) for method in verbs}
    return found


def shown(rule: Any) -> str:
    """A route's address as the document writes it."""
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)


@pytest.mark.parametrize("port", PORTS)
def test_every_route_is_named_and_nothing_else(standing: Any, port: str) -> None:
    spec = document(standing, port)
    named = {(path, verb) for path, verb, _ in operations(spec)}
    assert named == routes(getattr(standing, port))
    assert len(named) >= 5


@pytest.mark.parametrize("port", PORTS)
def test_the_document_has_the_form_of_openapi_3_1(standing: Any, port: str) -> None:
    spec = document(standing, port)
    assert re.fullmatch(r"3\.1\.\d+", spec["openapi"])
    assert spec["info"]["title"]
    assert spec["info"]["version"]
    names = [operation["operationId"] for _, _, operation in operations(spec)]
    assert len(names) == len(set(names))
    for path, verb, operation in operations(spec):
        assert path.startswith("/")
        assert operation["summary"], (path, verb)
        declared = {
            parameter["name"]: parameter
            for parameter in operation["parameters"]
            if parameter["in"] == "path"
        }
        assert set(declared) == set(re.findall(r"\{([a-z_]+)\}", path))
        assert all(parameter["required"] and parameter["schema"] for parameter in declared.values())
        assert operation["responses"], (path, verb)
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]
            for media in response.get("content", {}).values():
                assert media["schema"] is not None
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            assert media["schema"]


@pytest.mark.parametrize("port", PORTS)
def test_every_reference_leads_somewhere(standing: Any, port: str) -> None:
    spec = document(standing, port)

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    for reference in set(references(spec)):
        assert reference.startswith("#/")
        place: Any = spec
        for part in reference[2:].split("/"):
            assert part in place, reference
            place = place[part]


def test_bodies_and_answers_are_the_ones_that_are_really_used(standing: Any) -> None:
    spec = document(standing, "shop")
    decide = spec["paths"]["/v1/experiments/{experiment}/decisions"]["post"]
    body = spec["components"]["schemas"]["DecisionRequest"]
    assert decide["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/DecisionRequest"
    }
    assert set(body["properties"]) == {
        "unit_id",
        "context",
        "request_key",
        "eligible_arms",
        "excluded_arms",
        "arms",
        "session_id",
        "page_id",
        "baseline_arm",
        "baseline_arms",
        "defer_activation",
    }
    assert body["required"] == ["unit_id"]
    assert body["additionalProperties"] is False
    answer = spec["components"]["schemas"]["DecisionAnswer"]
    assert set(standing.decide().json) == set(answer["properties"]) == set(answer["required"])
    events = spec["components"]["schemas"]["EventsRequest"]["properties"]["events"]
    assert events["items"] == {"$ref": "#/components/schemas/EventItem"}
    assert events["maxItems"] == 100


def test_refusals_are_documented(standing: Any) -> None:
    spec = document(standing, "shop")
    for _path, verb, operation in operations(spec):
        refusals = {s: r for s, r in operation["responses"].items() if s >= "400"}
        if verb != "post":
            continue
        assert {"401", "403", "503"} <= set(refusals)
        for status, response in refusals.items():
            content = dict(response["content"])
            if (operation["operationId"], status) == ("record_events", "422"):
                receipts = content.pop("application/json")["schema"]
                assert receipts == {"$ref": "#/components/schemas/EventsAnswer"}
            assert content == {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/ProblemAnswer"}
                }
            }, status


@pytest.mark.parametrize("port", PORTS)
def test_how_a_key_is_shown_is_documented(standing: Any, port: str) -> None:
    spec = document(standing, port)
    schemes = spec["components"]["securitySchemes"]
    bearer, *in_address = schemes.values()
    assert (bearer["type"], bearer["scheme"]) == ("http", "bearer")
    in_query = {"type": "apiKey", "in": "query", "name": "key"}
    assert in_address == ([in_query] if port == "shop" else [])
    rules = getattr(standing, port).url_map.iter_rules()
    is_open = {shown(rule): PERMISSIONS[rule.endpoint] is None for rule in rules}
    for path, _, operation in operations(spec):
        known = schemes if operation["operationId"] != "metrics" else ["key"]
        wanted = [] if is_open[path] else [{name: []} for name in known]
        assert operation.get("security", []) == wanted, path
