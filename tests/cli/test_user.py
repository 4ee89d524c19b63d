"""Users on the command line: a link is printed, never a password asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bandit_platform.bootstrap import build
from bandit_platform.settings import load_settings


def test_a_user_s_life_on_the_command_line(run: Callable[..., Any]) -> None:
    made = run("user", "create", "Anna", "--role", "admin")
    assert made.status == 0
    assert made.out.startswith("http://127.0.0.1:8081/link/")
    assert "once" in made.err
    assert run("user", "create", "ben", "--role", "viewer").status == 0
    assert run("user", "set-role", "ben", "--role", "analyst").out == (
        "ben is analyst, has not chosen a password.\n"
    )
    assert "ben is analyst, disabled." in run("user", "disable", "ben").out
    refused = run("user", "link", "ben")
    assert refused.status == 2
    assert "enable the user first" in refused.err
    assert run("user", "enable", "ben").status == 0
    link = json.loads(run("user", "link", "ben", "--format", "json").out)
    assert link["link"].startswith("http://127.0.0.1:8081/link/")
    listed = json.loads(run("user", "list", "--format", "json").out)
    assert [(each["name"], each["role"]) for each in listed] == [
        ("anna", "admin"),
        ("ben", "analyst"),
    ]
    assert "anna  admin" in run("user", "list").out


def test_mistakes_are_refused_with_what_would_be_right(run: Callable[..., Any]) -> None:
    assert "user create NAME" in run("user", "list").out
    assert "one of viewer" in run("user", "create", "x", "--role", "server").err
    assert "letters" in run("user", "create", "x y", "--role", "viewer").err
    assert run("user", "create", "x", "--role", "admin").status == 0
    assert "already" in run("user", "create", "X", "--role", "viewer").err
    assert "only administrator" in run("user", "disable", "x").err
    assert "only administrator" in run("user", "set-role", "x", "--role", "viewer").err
    assert run("user", "enable", "nobody").status == 2


def test_commands_are_in_the_audit_log_under_the_system_s_user(
    run: Callable[..., Any], monkeypatch: Any, spec_text: str, tmp_path: Any
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "dora")
    (tmp_path / "experiment.toml").write_text(spec_text)
    run("experiment", "apply", tmp_path / "experiment.toml")
    run("experiment", "start", "checkout-offers")
    run("user", "create", "anna", "--role", "admin")
    key = json.loads(run("key", "create", "--role", "server", "--format", "json").out)
    run("key", "revoke", key["key_id"])
    platform = build(load_settings())
    found = platform.audit_log()
    platform.database.close()
    assert {(each.by.kind, each.by.name) for each in found} == {("command-line", "dora")}
    assert [each.what for each in reversed(found)] == [
        "experiment.created",
        "experiment.started",
        "user.created",
        "user.link-made",
        "key.created",
        "key.revoked",
    ]
    assert key["key"] not in str(found)
