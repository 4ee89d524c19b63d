"""Everything the page of policies prints, ready for its template."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.arm_rewards import RewardLine, arm_reward_figure, reward_table
from dashboards.charts.bands import Band, BandRow, band_figure, band_table, is_cut
from dashboards.charts.embedding import figure_json
from dashboards.charts.figures import arm_share_figure
from dashboards.charts.palette import arm_legend
from dashboards.charts.report_bands import value_bands
from dashboards.charts.series_table import ShareRow, share_table
from dashboards.overview.page_head import PageHead, page_head
from dashboards.policies.arm_table import ArmLine, arm_lines
from dashboards.policies.findings import policies_finding
from dashboards.policies.leaderboard import Leaderboard, leaderboard
from dashboards.policies.money_table import MoneyTable, money_tables
from dashboards.policies.what_if import WhatIf, what_ifs
from dashboards.policies.words import ALWAYS_NOTHING, policy_words

_VALUE = "Value, reward per decision"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An entry of a select."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class PoliciesPage:
    """The policies of one experiment."""

    head: PageHead
    #: what is known, as a sentence
    finding: str
    #: what the address asked for and there is not; empty for nothing
    missing: str
    baselines: tuple[Choice, ...]
    levels: tuple[Choice, ...]
    leaderboard: Leaderboard
    what_ifs: tuple[WhatIf, ...]
    bands: tuple[Band, ...]
    value_figure: Markup
    value_rows: tuple[BandRow, ...]
    value_is_cut: bool
    share_figure: Markup
    share_rows: tuple[ShareRow, ...]
    arms: tuple[ArmLine, ...]
    money: tuple[MoneyTable, ...]
    reward_figure: Markup
    reward_rows: tuple[RewardLine, ...]
    #: colour name → label of the arms
    legend: tuple[tuple[str, str], ...]


def policies_page(report: ExperimentReport, baseline: str, *, together: bool) -> PoliciesPage:
    """The page of an experiment's policies.

    Args:
        report: a whole one.
        baseline: the policy that uplifts are over; always nothing where there is no such policy.
        together: whether intervals hold together for all policies.
    """
    known = baseline in {row.name for row in report.policies}
    missing = "" if known or baseline == ALWAYS_NOTHING else f"There is no policy {baseline} here."
    baseline = ALWAYS_NOTHING if missing else baseline
    bands = value_bands(report, baseline)
    return PoliciesPage(
        head=page_head(report),
        finding=policies_finding(leaderboard(report, baseline, together=True)),
        missing=missing,
        baselines=tuple(
            Choice(
                value=row.name,
                label=policy_words(row.name, row.kind),
                chosen=row.name == baseline,
            )
            for row in report.policies
        ),
        levels=(
            Choice(value="each", label="each at 95\N{NO-BREAK SPACE}%", chosen=not together),
            Choice(
                value="together", label="all together at 95\N{NO-BREAK SPACE}%", chosen=together
            ),
        ),
        leaderboard=leaderboard(report, baseline, together=together),
        what_ifs=what_ifs(report),
        bands=tuple(reversed(bands)),
        value_figure=figure_json(band_figure(report, bands, _VALUE, zero=False)),
        value_rows=band_table(report, tuple(reversed(bands)), sign=False),
        value_is_cut=is_cut(bands, zero=False),
        share_figure=figure_json(arm_share_figure(report)),
        share_rows=share_table(report),
        arms=arm_lines(report),
        money=money_tables(report),
        reward_figure=figure_json(arm_reward_figure(report)),
        reward_rows=reward_table(report),
        legend=arm_legend(report.arms),
    )
