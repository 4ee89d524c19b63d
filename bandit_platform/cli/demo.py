"""``bandit-platform demo``: the whole loop on one machine, with shoppers whose truth is known."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_platform.cli.on_stage import (
    estimate_table,
    finish,
    on_stage,
    plain_number,
    print_json,
    print_reconciliation,
    print_shares,
    progress_bar,
    wide_console,
    with_interval,
)
from bandit_platform.cli.output import Format, FormatOption
from bandit_platform.cli.storefront import storefront

if TYPE_CHECKING:
    from bandit_platform.bootstrap import Platform
    from bandit_platform.domain.experiment import ExperimentSpec
    from bandit_platform.services.reporting.report_records import ExperimentReport
    from bandit_platform.simulation.comparison import Compared, ComparedPolicy
    from bandit_platform.simulation.run import RunResult
    from bandit_platform.simulation.shares import ArmShares

_SIMULATED = (
    "The shoppers are simulated: their behaviour is made up and exactly known, "
    "so every estimate can be checked against the truth. No real customers are involved."
)

#: however few shoppers there are, they take about so long to come
_SHORTEST_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class _DemoResult:
    report: ExperimentReport
    run: RunResult
    programme: Compared
    policies: tuple[ComparedPolicy, ...]
    shares: ArmShares
    shoppers: int
    seed: int


def demo(
    *,
    shoppers: Annotated[int, typer.Option(min=1, help="How many simulated shoppers.")] = 20_000,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the report instead of staying open.")
    ] = False,
    output: FormatOption = Format.TABLE,
    seed: Annotated[int, typer.Option(help="Another seed gives other shoppers.")] = 1,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="Shoppers arriving per second, at most. Default: 300, fewer where there are "
            "few shoppers, so that a model is learned while they come.",
        ),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Concurrent connections.")] = 8,
) -> None:
    """Start everything, drive simulated shoppers through it, print estimates beside the truth."""
    from bandit_platform.services.launching.spec_files import read_spec_file  # noqa: PLC0415
    from bandit_platform.simulation.experiment_files import shipped_experiment  # noqa: PLC0415
    from bandit_platform.simulation.run import Show, perform  # noqa: PLC0415
    from bandit_platform.simulation.shop_visits import shop_visits  # noqa: PLC0415

    spec = read_spec_file(shipped_experiment("confirmation_page"))
    show = Show(
        spec=spec,
        visits=shop_visits(shoppers, seed),
        size=shoppers,
        noun="simulated shoppers",
        connections=connections,
        rate=rate or min(300.0, max(1.0, shoppers / _SHORTEST_SECONDS)),
    )
    with (
        on_stage(spec, shop=not leave) as (platform, stage),
        nullcontext(None) if leave else storefront(platform, stage) as shop,
    ):
        run = perform(
            stage,
            show,
            counts=lambda: platform.report(spec.key).counts,
            progress=progress_bar,
        )
        result = _result(platform, spec, run, shoppers, seed)
        if output is Format.JSON:
            print_json(_to_dict(result))
        else:
            _print_table(result)
        if shop is not None:
            typer.echo(f"Shop there yourself: {shop} (its goods are simulated).", err=True)
        finish(platform, stage, spec.key, run, leave=leave)


def _result(
    platform: Platform, spec: ExperimentSpec, run: RunResult, shoppers: int, seed: int
) -> _DemoResult:
    from bandit_platform.simulation.comparison import (  # noqa: PLC0415
        compare,
        compare_policies,
        progressive_truth,
    )
    from bandit_platform.simulation.shares import last_quarter  # noqa: PLC0415
    from bandit_platform.simulation.truth import expected_reward  # noqa: PLC0415

    report = platform.report(spec.key)
    with progress_bar("working out the simulator's truth", report.counts.interactions) as tell:
        truth = progressive_truth(
            platform.recompute(spec.key),
            lambda context, arm: expected_reward(context, arm, spec.worths[arm]),
            progress=tell,
        )
    return _DemoResult(
        report=report,
        run=run,
        programme=compare(report.programme, truth.programme),
        policies=compare_policies(report, truth),
        shares=last_quarter(run.tally.served, spec.arm_keys),
        shoppers=shoppers,
        seed=seed,
    )


def _to_dict(result: _DemoResult) -> dict[str, Any]:
    report = result.report
    return {
        "simulated": True,
        "note": _SIMULATED,
        "experiment": report.experiment,
        "shoppers": result.shoppers,
        "seed": result.seed,
        "finding": report.finding,
        "currency": report.currency,
        "reward_range": report.reward_range,
        "model_version": report.model_version,
        "programme": {
            **_compared(result.programme),
            "units": report.units,
            "holdout_units": report.holdout_units,
        },
        "policies": [
            {
                "policy": row.policy,
                "kind": row.kind,
                "value": _compared(row.value),
                "uplift": _compared(row.uplift),
                "ess": row.ess,
            }
            for row in result.policies
        ],
        "arms_last_quarter": {
            "drawn": result.shares.drawn,
            "probability": result.shares.probability,
        },
        "counts": report.to_dict()["counts"],
        **result.run.to_dict(),
    }


def _compared(compared: Compared) -> dict[str, Any]:
    return {
        **estimate_table(compared.estimate),
        "truth": compared.truth,
        "covered": compared.covered,
    }


def _print_table(result: _DemoResult) -> None:
    from rich.table import Table  # noqa: PLC0415 - keeps --help fast

    console = wide_console()
    report, programme = result.report, result.programme
    unit = report.currency or "reward"
    console.print(_SIMULATED)
    console.print(report.finding, style="bold", markup=False)
    console.print(
        f"Programme uplift of {report.units:,} shoppers over {report.holdout_units:,} held out: "
        f"{with_interval(programme.estimate, sign=True)} {unit} per shopper; "
        f"true: {_truth(programme, sign=True)} the interval."
    )
    table = Table(title=f"{_titled(report)}, {report.counts.interactions:,} interactions")
    for heading in ("Policy", "Value", "True value", "Uplift over nothing", "True uplift"):
        table.add_column(heading, no_wrap=heading == "Policy")
    for row in result.policies:
        table.add_row(
            row.policy,
            with_interval(row.value.estimate),
            _truth(row.value),
            with_interval(row.uplift.estimate, sign=True),
            _truth(row.uplift, sign=True),
        )
    console.print(table)
    print_shares(console, result.shares)
    print_reconciliation(console, result.run)


def _titled(report: ExperimentReport) -> str:
    return f"Reward per decision in {report.currency}" if report.currency else "Reward per decision"


def _truth(compared: Compared, *, sign: bool = False) -> str:
    where = "inside" if compared.covered else "OUTSIDE"
    return f"{plain_number(compared.truth, compared.estimate, sign=sign)} {where}"
