from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

KEY = "checkout-offers"


@pytest.fixture
def file(tmp_path: Path, spec_text: str) -> Path:
    path = tmp_path / "offers" / "experiment.toml"
    path.parent.mkdir()
    path.write_text(spec_text)
    return path


def one_line(ran: Any) -> str:
    """The only line on stderr."""
    assert ran.err.endswith("\n")
    (line,) = ran.err.splitlines()
    return str(line)


def test_applying_says_what_comes_next(run: Any, file: Path) -> None:
    ran = run("experiment", "apply", file)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "checkout-offers: created, revision 1, draft",
        "  next: bandit-platform experiment start checkout-offers",
    ]


def test_applying_twice_changes_nothing(run: Any, file: Path) -> None:
    run("experiment", "apply", file)
    run("experiment", "start", KEY)
    ran = run("experiment", "apply", file.parent)  # the folder is as good as its file
    assert (ran.status, ran.out) == (0, "checkout-offers: unchanged, revision 1, running\n")


def test_applying_shows_the_difference(run: Any, file: Path, spec_text: str) -> None:
    run("experiment", "apply", file)
    changed = spec_text.replace("floor = 0.1", "floor = 0.2").replace('"Insurance"', '"Cover"')
    file.write_text(changed + '\n[[candidates]]\nname = "bold"\nexploration = "softmax"\n')
    ran = run("experiment", "apply", file)
    lines = ran.out.splitlines()
    assert lines[0] == "checkout-offers: changed, revision 2, draft"
    assert "  ~ policy.floor: 0.1 → 0.2" in lines
    assert "  ~ arms.insurance.offer.title: 'Insurance' → 'Cover'" in lines
    assert any(line.startswith("  + candidates.bold") for line in lines)


def test_applying_prints_json(run: Any, file: Path, spec_text: str) -> None:
    run("experiment", "apply", file)
    file.write_text(spec_text.replace("floor = 0.1", "floor = 0.2"))
    ran = run("experiment", "apply", file, "--format", "json")
    assert json.loads(ran.out) == [
        {
            "experiment": KEY,
            "outcome": "changed",
            "revision": 2,
            "state": "draft",
            "changes": ["~ policy.floor: 0.1 → 0.2"],
        }
    ]


def test_every_problem_is_listed_and_nothing_is_changed(
    run: Any, file: Path, spec_text: str
) -> None:
    run("experiment", "apply", file)
    before = run("experiment", "show", KEY, "--format", "json").out
    good = file.parent / "good.toml"
    good.write_text(spec_text.replace(KEY, "good"))
    file.write_text(
        spec_text.replace("floor = 0.1", "floor = 0.0")
        .replace("share = 0.1", 'share = "much"')
        .replace("cart_value = { gte = 50 }", "weight = { gte = 50 }")
        + '\n[extra]\nkey = "value"\n'
    )
    ran = run("experiment", "apply", good, file)
    assert ran.status == 2
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{file}: ") for line in lines)
    for path in ("policy.floor", "holdout.share", "arms[0].when.weight", "extra"):
        assert any(f": {path}: " in line for line in lines), path
    assert run("experiment", "show", KEY, "--format", "json").out == before
    listed = json.loads(run("experiment", "list", "--format", "json").out)
    assert [each["experiment"] for each in listed] == [KEY]


def test_a_locked_part_is_refused_with_the_mend(run: Any, file: Path, spec_text: str) -> None:
    run("experiment", "apply", file)
    run("experiment", "start", KEY)
    other = file.parent / "other.toml"
    other.write_text(spec_text.replace(KEY, "another"))
    file.write_text(spec_text.replace("share = 0.1", "share = 0.3"))
    ran = run("experiment", "apply", other, file)
    assert (ran.status, ran.out) == (2, "")
    line = one_line(ran)
    assert "checkout-offers has been started and cannot change holdout.share" in line
    assert "under another key" in line
    assert len(json.loads(run("experiment", "list", "--format", "json").out)) == 1


def test_a_started_experiment_takes_a_currency_and_more_that_only_servers_report(
    run: Any, file: Path, spec_text: str
) -> None:
    run("experiment", "apply", file)
    run("experiment", "start", KEY)
    declared = spec_text.replace("[reward]\n", '[reward]\ncurrency = "GBP"\n')
    file.write_text(declared + '\n[events]\nsecret_only = ["purchase"]\n')
    ran = run("experiment", "apply", file)
    assert ran.status == 0
    assert "reward.currency = 'GBP'" in ran.out
    file.write_text(declared)
    assert "events.secret_only" in one_line(run("experiment", "apply", file))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_is_not_there_is_named(run: Any, tmp_path: Path, name: str) -> None:
    ran = run("experiment", "apply", tmp_path / name)
    assert ran.status == 2
    assert one_line(ran).endswith("there is no such file")


def test_the_list_has_every_experiment(run: Any, file: Path, spec_text: str) -> None:
    assert "No experiments yet" in run("experiment", "list").out
    assert json.loads(run("experiment", "list", "--format", "json").out) == []
    other = file.parent / "other.toml"
    other.write_text(spec_text.replace(KEY, "another"))
    run("experiment", "apply", file, other)
    run("experiment", "start", KEY)
    assert run("experiment", "list").out.splitlines() == [
        "another  draft  revision 1  on checkout",
        "checkout-offers  running  revision 1  on checkout",
    ]
    listed = json.loads(run("experiment", "list", "--format", "json").out)
    assert [(each["experiment"], each["state"]) for each in listed] == [
        ("another", "draft"),
        (KEY, "running"),
    ]


def test_showing_gives_the_definition_with_its_defaults(
    run: Any, file: Path, tmp_path: Path
) -> None:
    run("experiment", "apply", file)
    shown = json.loads(run("experiment", "show", KEY, "--format", "json").out)
    assert (shown["experiment"], shown["state"], shown["started_at"]) == (KEY, "draft", None)
    assert shown["spec"]["policy"]["exploration"] == "squarecb"
    assert shown["spec"]["reward"]["purchase"] == {"amount": 0.01}
    text = run("experiment", "show", KEY).out
    assert "state: draft" in text.splitlines()
    # what is shown can be applied again and is the same experiment
    from bandit_platform.domain.spec_file import parse_tables  # noqa: PLC0415 - only here

    assert parse_tables(shown["spec"]).to_json() == parse_tables(shown["spec"]).to_json()
    assert parse_tables(shown["spec"]).key == KEY


def test_the_life_of_an_experiment(run: Any, file: Path) -> None:
    run("experiment", "apply", file)
    for step, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("archive", "archived"),
    ):
        ran = run("experiment", step, KEY)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith(f"checkout-offers is {state}. ")
        assert len(ran.out.splitlines()) == 1
        shown = json.loads(run("experiment", "show", KEY, "--format", "json").out)
        assert shown["state"] == state


@pytest.mark.parametrize("step", ["pause", "resume", "stop"])
def test_a_wrong_step_says_which_are_possible(run: Any, file: Path, step: str) -> None:
    run("experiment", "apply", file)
    ran = run("experiment", step, KEY)
    assert (ran.status, ran.out) == (2, "")
    assert one_line(ran) == (f"cannot {step} an experiment that is draft; possible: start, archive")
    assert json.loads(run("experiment", "show", KEY, "--format", "json").out)["state"] == "draft"


@pytest.mark.parametrize("command", ["show", "start", "pause", "resume", "stop", "archive"])
def test_an_unknown_experiment_is_bad_input(run: Any, command: str) -> None:
    ran = run("experiment", command, "nobody")
    assert (ran.status, ran.out) == (2, "")
    assert one_line(ran) == "there is no experiment with this key"


@pytest.mark.parametrize(
    "arguments",
    [("experiment",), ("experiment", "apply"), ("experiment", "show"), ("nonsense",), ()],
)
def test_wrong_usage_is_told(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == 2


@pytest.mark.parametrize("arguments", [("--help",), ("experiment", "--help"), ("report", "--help")])
def test_help_is_there(run: Any, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.status == 0
    assert "Usage" in ran.out


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PORT", "eighty", "BANDIT_PLATFORM_PORT must be a whole number"),
        ("WORK_SECONDS", "-1", "BANDIT_PLATFORM_WORK_SECONDS must be finite and not negative"),
        ("DATABASE_URL", "nonsense", "the database address cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    run: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(f"BANDIT_PLATFORM_{name}", value)
    ran = run("experiment", "list")
    assert (ran.status, one_line(ran)) == (2, line)


def test_what_cannot_be_read_is_listed_and_can_be_stopped(
    run: Any, file: Path, tmp_path: Path
) -> None:
    run("experiment", "apply", file)
    run("experiment", "start", KEY)
    with closing(sqlite3.connect(tmp_path / "data" / "bandit-platform.sqlite3")) as connection:
        connection.execute("UPDATE revision SET spec = '{}'")
        connection.commit()
    listed = run("experiment", "list").out
    assert listed.startswith(f"{KEY}  running  cannot be read by this version")
    found = json.loads(run("experiment", "list", "--format", "json").out)
    assert found == [{"experiment": KEY, "state": "running", "unread": True}]
    assert run("experiment", "pause", KEY).out.startswith(f"{KEY} is paused.")
    refused = run("experiment", "resume", KEY)
    assert refused.status == 1
    assert "cannot be read by this version" in one_line(refused)
    assert run("experiment", "stop", KEY).status == 0
    assert run("experiment", "list").out.startswith(f"{KEY}  stopped")
