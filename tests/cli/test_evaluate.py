from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bandit_platform.cli.evaluate import evaluate
from bandit_platform.errors import InputError

runner = CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command("evaluate")(evaluate)
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    rows = [f"{'ab'[i % 2]},0.5,{(i * 7) % 10 / 10}" for i in range(400)]
    path.write_text("arm,propensity,reward\n" + "\n".join(rows) + "\n")
    return path


def test_json_is_only_json(app: typer.Typer, log: Path) -> None:
    result = runner.invoke(
        app,
        ["--log", str(log), "--policy", "always:a", "--policy", "uniform", "--format", "json"],
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [one["policy"] for one in report["policies"]] == ["always:a", "uniform"]


def test_json_can_tell_how_it_went(app: typer.Typer, log: Path) -> None:
    options = ["--policy", "always:a", "--format", "json"]
    plain = runner.invoke(app, ["--log", str(log), *options])
    timed = runner.invoke(app, ["--log", str(log), *options, "--over-time"])
    assert "over_time" not in json.loads(plain.stdout)["policies"][0]
    moments = json.loads(timed.stdout)["policies"][0]["over_time"]
    assert moments[-1]["rows"] == 400


def test_options_reach_the_evaluation(app: typer.Typer, log: Path) -> None:
    options = ["--estimator", "snips", "--baseline", "always:b", "--alpha", "0.1"]
    ranges = ["--reward-range", "-1", "2", "--policy", "always:a", "--format", "json"]
    result = runner.invoke(app, ["--log", str(log), *options, *ranges])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["alpha"] == 0.1
    assert report["reward_range"] == [-1, 2]
    assert list(report["policies"][0]["estimates"]) == ["snips"]
    assert report["policies"][0]["uplift"]["baseline"] == "always:b"


def test_table_shows_every_policy(app: typer.Typer, log: Path) -> None:
    result = runner.invoke(app, ["--log", str(log)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for text in ("logging", "uniform", "always:a", "always:b", "verdict", "Bonferroni"):
        assert text in result.output


def test_errors_are_raised_for_main_to_print(app: typer.Typer, tmp_path: Path) -> None:
    result = runner.invoke(app, ["--log", str(tmp_path / "none.csv")])
    assert isinstance(result.exception, InputError)


def test_html_can_go_to_a_file(app: typer.Typer, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    result = runner.invoke(app, ["--log", str(log), "--format", "html", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output == ""
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_segments_and_intervals(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{'ab'[i % 2]},0.5,{(i * 7) % 10 / 10},{'xy'[i // 2 % 2]}" for i in range(400)]
    path.write_text("arm,propensity,reward,context.kind\n" + "\n".join(rows) + "\n")
    options = ["--policy", "always:a", "--by", "context.kind", "--interval", "normal"]
    result = runner.invoke(app, ["--log", str(path), *options], env={"COLUMNS": "150"})
    assert result.exit_code == 0, result.output
    for text in ("always:a by segment", "kind = x", "one look only"):
        assert text in result.output


def test_missing_propensities_are_explained_and_estimates_marked(
    app: typer.Typer, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{'ab'[i % 2]},{(i * 7) % 10 / 10}" for i in range(400)]
    path.write_text("arm,reward\n" + "\n".join(rows) + "\n")
    refused = runner.invoke(app, ["--log", str(path)])
    assert "--estimate-propensities" in str(refused.exception)
    for form in ("table", "json", "html"):
        result = runner.invoke(
            app,
            ["--log", str(path), "--estimate-propensities", "--format", form],
            env={"COLUMNS": "200"},
        )
        assert result.exit_code == 0, result.output
        assert "estimated from the log" in result.output


@pytest.mark.parametrize(
    "option", [["--from", "2026-11-22"], ["--to", "2026-11-22"], ["--where", "country=GB"]]
)
def test_a_period_and_conditions_belong_to_a_running_experiment(
    app: typer.Typer, log: Path, option: list[str]
) -> None:
    result = runner.invoke(app, ["--log", str(log), *option])
    assert isinstance(result.exception, InputError)
    assert "go with --live" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--engine", "dask"], "export --format parquet"),
        (["--reward-range", "0", "1"], "--reward-range: for a log only"),
        (["--held-out", "--skip-bad-rows"], "--skip-bad-rows, --held-out: for a log only"),
        (["--reward-model", "vw"], "--reward-model: for a log only"),
    ],
)
def test_what_a_running_experiment_does_not_take_is_refused(
    app: typer.Typer, options: list[str], named: str
) -> None:
    result = runner.invoke(app, ["--live", "checkout-offers", *options])
    assert isinstance(result.exception, InputError)
    assert named in str(result.exception)


def test_names_are_shown_as_they_are(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [
        f"{('parking', 'nothing')[i % 2]},0.5,0,{('[/b]', ':car:')[i // 2 % 2]}" for i in range(8)
    ]
    path.write_text("arm,propensity,reward,context.kind\n" + "\n".join(rows) + "\n")
    options = ["--policy", "always:parking", "--by", "kind"]
    result = runner.invoke(app, ["--log", str(path), *options], env={"COLUMNS": "150"})
    assert result.exit_code == 0, result.output
    for text in ("always:parking: ", "kind = [/b]", "kind = :car:"):
        assert text in result.output


def test_a_column_that_is_not_there_is_told_with_those_that_are(
    app: typer.Typer, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arm,propensity,reward,context.kind\na,0.5,0,x\nb,0.5,1,y\n")
    result = runner.invoke(app, ["--log", str(path), "--by", "sort"])
    assert str(result.exception) == (
        "the log has no column context.sort; context columns: context.kind"
    )


@pytest.mark.parametrize("alpha", ["0", "1e-300", "1"])
def test_an_error_that_no_interval_can_have_is_bad_input(
    app: typer.Typer, log: Path, alpha: str
) -> None:
    result = runner.invoke(app, ["--log", str(log), "--alpha", alpha])
    assert isinstance(result.exception, InputError)
    assert str(result.exception).endswith("must lie between 0.000001 and 1")
