"""The options of ``bandit-platform evaluate``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        help="Decision log: .csv, .csv.gz, .parquet, a folder of either, or DSJSON (.json).",
    ),
]
PolicyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="Policy to value, repeatable: logging, uniform, always:ARM, column:NAME (a target. "
        "column), learn:PRESET or learn:VW-ARGUMENTS, model:FILE. Default: logging, uniform and "
        "each arm.",
    ),
]
EstimatorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator",
        help="Estimators, comma-separated or repeated: ips, snips, clipped-ips, dm, dr, sndr, "
        "switch-dr, dros, mrdr, cressie-read. Default: ips,snips,dr,cressie-read.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="Policy that uplifts are over. Default: always:nothing where that arm exists, else "
        "logging.",
    ),
]
RangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--reward-range",
        metavar="LO HI",
        help="Least and greatest reward that can occur, not the observed ones. Default: the "
        "experiment's, else 0 1.",
    ),
]
FloorOption = Annotated[
    float | None,
    typer.Option(
        "--floor",
        help="Least propensity the logging policy permits. Default: the least in the log.",
    ),
]
ByOption = Annotated[
    list[str] | None,
    typer.Option("--by", help="Cut the log by a context column, repeatable: context.NAME."),
]
ExperimentOption = Annotated[
    Path | None,
    typer.Option(
        "--experiment",
        help="Experiment folder whose experiment.toml and columns.toml say how to read the log.",
    ),
]
EstimateOption = Annotated[
    bool,
    typer.Option(
        "--estimate-propensities",
        help="Where the log has no propensities, take each arm's share of the rows.",
    ),
]
TrainedOption = Annotated[
    datetime | None,
    typer.Option(
        "--trained-until",
        formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
        help="Moment up to which a model: policy had learned; only later rows are used.",
    ),
]
HeldOutOption = Annotated[
    bool, typer.Option("--held-out", help="Declare that model: policies have seen no row of it.")
]
LiveOption = Annotated[
    str | None,
    typer.Option(
        "--live",
        help="Key of an experiment whose own interactions are valued instead of a log. Knows "
        "version:N, serving and candidates by name too.",
    ),
]
FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="MOMENT",
        help="With --live: only decisions from this day or moment on, in the experiment's time "
        "zone unless it says another.",
    ),
]
ToOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="MOMENT",
        help="With --live: only decisions up to this day (included) or before this moment.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=VALUE",
        help="With --live: only decisions with this context, repeatable: country=GB, "
        "returning=true, cart_value=50..100 (below 100).",
    ),
]
