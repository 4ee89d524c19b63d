from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

KEY = "checkout-offers"


@pytest.fixture
def applied(run: Any, tmp_path: Path, spec_text: str) -> Any:
    path = tmp_path / "experiment.toml"
    path.write_text(spec_text)
    run("experiment", "apply", path)
    return run


def created(run: Any, *arguments: str) -> dict[str, Any]:
    ran = run("key", "create", *arguments, "--format", "json")
    assert ran.status == 0
    return dict(json.loads(ran.out))


def test_a_publishable_key_without_pages_is_told_of(applied: Any) -> None:
    ran = applied("key", "create", "--publishable")
    assert ran.status == 0
    key_id = ran.out.split("_")[1]
    assert "No page can use this key, because it has no --origin." in ran.err
    assert ran.err.endswith(f"bandit-platform key revoke {key_id}\n")
    ran = applied("key", "create", "--publishable", "--origin", "https://shop.example")
    assert "--origin" not in ran.err
    ran = applied("key", "create", "--role", "server")
    assert "--origin" not in ran.err


def test_an_experiment_that_does_not_exist_is_refused_with_the_one_that_does(applied: Any) -> None:
    ran = applied("key", "create", "--role", "server", "--experiment", "checkout-ofers")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "--experiment checkout-ofers: there is no experiment with this key; "
        "did you mean checkout-offers?\n"
    )
    ran = applied("key", "create", "--role", "server", "--experiment", KEY, "--experiment", "zzz")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith("there is no experiment with this key; apply it first\n")
    assert json.loads(applied("key", "list", "--format", "json").out) == []
    made = created(applied, "--role", "server", "--experiment", KEY)
    (listed,) = json.loads(applied("key", "list", "--format", "json").out)
    assert (listed["key_id"], listed["experiments"]) == (made["key_id"], [KEY])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say either --publishable or --role, not both"),
        (("--publishable", "--role", "server"), "say either --publishable or --role, not both"),
        (("--role", "king"), "--role must be one of "),
        (("--role", "server", "--origin", "https://x.example"), "a secret key must not be used"),
        (("--publishable", "--origin", "https://x.example/path"), "origin"),
        (("--role", "server", "--expires-in", "soon"), "--expires-in "),
    ],
)
def test_other_slips(run: Any, arguments: tuple[str, ...], told: str) -> None:
    ran = run("key", "create", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert told in ran.err


def test_a_key_is_replaced_while_both_are_valid_and_then_ends(run: Any) -> None:
    first = created(run, "--role", "viewer", "--label", "grafana")
    second = json.loads(run("key", "rotate", first["key_id"], "--format", "json").out)
    assert second["role"] == "viewer"
    rows = {r["key_id"]: r for r in json.loads(run("key", "list", "--format", "json").out)}
    assert rows[second["key_id"]]["revoked_at"] is None
    assert rows[first["key_id"]]["revoked_at"] > rows[first["key_id"]]["created_at"]
    assert run("key", "revoke", second["key_id"]).out == f"{second['key_id']} ends.\n"
    assert run("key", "revoke", "0" * 16).status == 2


def test_origins_are_stored_as_browsers_send_them(applied: Any) -> None:
    given = ("https://b\u00fccher.example", "http://[::1]:3000", "capacitor://localhost")
    options = [part for origin in given for part in ("--origin", origin)]
    key_id = created(applied, "--publishable", *options)["key_id"]
    listed = json.loads(applied("key", "list", "--format", "json").out)
    (origins,) = (each["origins"] for each in listed if each["key_id"] == key_id)
    assert origins == [
        "capacitor://localhost",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
    ]
