"""Estimates over time as bands: the interval first, the point within it."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from bandit_platform.services.reporting.report_records import EstimateRow, ExperimentReport
from bandit_platform.services.reporting.rounding import decimals_for
from dashboards.charts.layout import Part, chart_layout, local, revision_marks, short, zero_line
from dashboards.charts.palette import ARMS, LIGHT, NOTHING_GREY
from dashboards.charts.scale import Axis, padded
from dashboards.charts.series import thinned
from dashboards.text import Shown, short_moment, shown

#: From this share of the last count on, bands are drawn whole.
SETTLED = 0.2
#: Rows of the table behind a chart.
MOST_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An estimate at one moment."""

    at: datetime
    #: interactions so far
    n: int
    value: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """One estimate through time."""

    name: str
    label: str
    moments: tuple[Moment, ...]
    #: name of its colour
    colour: str
    #: drawn as the main one, with a filled band
    leading: bool
    dash: str = "solid"


@dataclass(frozen=True, kw_only=True)
class BandRow:
    """The estimates at one moment, as a table prints them."""

    at: str
    exact_at: str
    n: str
    #: one per band; None where it was not known yet
    cells: tuple[Shown | None, ...]


def band_axis(bands: Sequence[Band], *, zero: bool) -> Axis:
    """The range of the settled part of each band; early width may run past the edge.

    Args:
        bands: at least one.
        zero: whether zero must be in view.
    """
    ends = [0.0] if zero else []
    for band in bands:
        last = band.moments[-1].n
        for moment in band.moments:
            if moment.n >= last * SETTLED:
                ends += [moment.lower, moment.upper]
    finite = [end for end in ends if math.isfinite(end)] or [0.0]
    return padded(min(finite), max(finite), share=0.08)


def is_cut(bands: Sequence[Band], *, zero: bool) -> bool:
    """Whether a band runs past the edge of the axis somewhere."""
    if not bands:
        return False
    axis = band_axis(bands, zero=zero)
    return any(
        moment.lower < axis.low or moment.upper > axis.high
        for band in bands
        for moment in band.moments
    )


def band_figure(
    report: ExperimentReport, bands: Sequence[Band], title: str, *, zero: bool
) -> go.Figure:
    """The bands over time, with a line at each revision.

    Args:
        report: for its time zone and revisions.
        bands: those drawn last are in front.
        title: what the numbers are, with their unit.
        zero: whether it is a difference, so that zero has a line and numbers a sign.
    """
    if not bands:
        return go.Figure(layout=chart_layout(title, {}, {}))
    axis = band_axis(bands, zero=zero)
    ends = [local(report.timeline[i].at, report.time_zone) for i in (0, -1)]
    lines, labels = revision_marks(report)
    layout = chart_layout(title, {"range": ends}, {"range": [axis.low, axis.high]})
    layout |= {"shapes": [*([zero_line()] if zero else []), *lines], "annotations": labels}
    traces = [part for band in bands for part in _traces(band, report.time_zone, sign=zero)]
    return go.Figure(data=traces, layout=layout)


def band_table(
    report: ExperimentReport, bands: Sequence[Band], *, sign: bool
) -> tuple[BandRow, ...]:
    """The numbers behind a chart of bands, newest first."""
    known = {band.name: {moment.at: moment for moment in band.moments} for band in bands}
    times = sorted({at for moments in known.values() for at in moments}, reverse=True)
    counts = {moment.at: moment.n for band in bands for moment in band.moments}
    return tuple(
        BandRow(
            at=short_moment(at, report.time_zone, seconds=True),
            exact_at=at.isoformat(),
            n=f"{counts[at]:,}",
            cells=tuple(_cell(known[band.name].get(at), sign=sign) for band in bands),
        )
        for at in thinned(times, MOST_ROWS)
    )


def colour_of(name: str) -> str:
    """The colour behind a band's colour name, on a light page."""
    if name == "nothing":
        return NOTHING_GREY
    return ARMS[int(name.removeprefix("arm-"))] if name.startswith("arm-") else LIGHT[name]


def _cell(moment: Moment | None, *, sign: bool) -> Shown | None:
    if moment is None:
        return None
    row = EstimateRow(
        value=moment.value,
        lower=moment.lower,
        upper=moment.upper,
        interval="confidence-sequence",
        n=moment.n,
        collecting=False,
    )
    return shown(row, sign=sign)


def _traces(band: Band, zone: str, *, sign: bool) -> list[Part]:
    """Upper end, lower end and middle; the leading band is filled."""
    last = band.moments[-1]
    number = f"{'+' if sign else ''}.{max(0, decimals_for(last.upper - last.lower))}f"
    colour, label = colour_of(band.colour), html.escape(band.label)
    filled = band.leading and f"{band.colour}-band" in LIGHT
    fill = {"fill": "tonexty", "fillcolor": LIGHT[f"{band.colour}-band"]} if filled else {}
    times = [local(moment.at, zone) for moment in band.moments]
    common = {"type": "scatter", "mode": "lines", "x": times}
    edge = {"color": colour, "width": 0.5 if filled else 1, "dash": "solid" if filled else "dot"}
    lower = [short(moment.lower) for moment in band.moments]
    upper = [short(moment.upper) for moment in band.moments]
    middle = {
        "y": [short(moment.value) for moment in band.moments],
        "customdata": list(zip(lower, upper, strict=True)),
        "line": {"color": colour, "width": 2 if filled else 1.5, "dash": band.dash},
        "name": label,
        "hovertemplate": f"{label}: %{{y:{number}}} "
        f"(%{{customdata[0]:{number}}} to %{{customdata[1]:{number}}})<extra></extra>",
    }
    return [
        {**common, "y": upper, "line": edge, "hoverinfo": "skip"},
        {**common, "y": lower, "line": edge, "hoverinfo": "skip", **fill},
        {**common, **middle},
    ]
