"""The data quality page: every check in words, with its limits and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.services.reporting.data_quality import (
    DataQuality,
    ExperimentQuality,
    QualityCheck,
    State,
)
from dashboards.text import percent


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a check is about."""

    label: str
    meaning: str
    #: what to do when it is not fine
    mend: str


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One check as a row."""

    name: str
    label: str
    state: str
    value: str
    limits: str
    meaning: str
    #: empty where all is well
    mend: str
    found: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckGroup:
    """The checks of the deployment, or of one experiment."""

    #: empty for the deployment
    experiment: str
    state: str
    #: empty where there is nothing to check yet
    lines: tuple[CheckLine, ...]

    @property
    def fine(self) -> bool:
        """Whether no check asks for anything."""
        return not any(line.state in {State.LOOK, State.BROKEN} for line in self.lines)

    @property
    def checked(self) -> int:
        """How many checks had something to check."""
        return sum(line.state != State.UNKNOWN for line in self.lines)

    @property
    def summary(self) -> str:
        """How many checks are fine, where none asks for anything."""
        waiting = len(self.lines) - self.checked
        if not waiting:
            return f"all {self.checked} checks"
        rest = f"nothing to check yet in {waiting}"
        return f"{self.checked} of {len(self.lines)} checks; {rest}" if self.checked else ""


@dataclass(frozen=True, kw_only=True)
class QualityPage:
    """What the page prints."""

    headline: str
    groups: tuple[CheckGroup, ...]

    @property
    def folds(self) -> bool:
        """Whether there are so many experiments that those without trouble are folded."""
        return len(self.groups) - 1 > MOST_OPEN

    @property
    def quiet(self) -> tuple[str, ...]:
        """Experiments with nothing to check yet, named together where there are many."""
        return tuple(each.experiment for each in self.groups if self.folds and not each.lines)


#: experiments whose checks all stand open
MOST_OPEN = 6
_WORDS = MappingProxyType(
    {
        "worker": Words(
            label="Worker",
            meaning="One worker matures decisions, learns and publishes models.",
            mend="Start bandit-platform work; nothing is lost meanwhile, and nothing is learned.",
        ),
        "ingest_lag": Words(
            label="Ingest lag",
            meaning="Age of the oldest record of this node that is not in the database yet.",
            mend="See whether the database answers and whether work or ingest runs on this node.",
        ),
        "journal_pending": Words(
            label="Journal waiting",
            meaning="What this node's journal holds that is not in the database yet.",
            mend="See whether work or ingest runs on this node; keep an eye on the disk.",
        ),
        "nodes": Words(
            label="Nodes",
            meaning="How far the slowest serving node's journal is behind in the database. "
            "Decisions mature only up to that point.",
            mend="Start ingest (or work) on that node. If the node will not come back, run "
            "bandit-platform node retire.",
        ),
        "torn": Words(
            label="Torn lines",
            meaning="Journal lines cut off at the end of a segment by a power cut or a full disk, "
            "since the beginning. They were skipped.",
            mend="Nothing can be got back. See what happened to the machine.",
        ),
        "damaged_lines": Words(
            label="Damaged lines",
            meaning="Journal lines before the end of a segment that could not be read, since the "
            "beginning. Each is kept in a .damaged file beside the journal.",
            mend="Check the node's disk. Repair the line if you can and append it to the journal "
            "folder as a segment of its own, or delete the file.",
        ),
        "orphan": Words(
            label="Orphan events",
            meaning="Events whose decision is not stored. They wait for it.",
            mend="A node whose journal does not arrive? Start ingest on every serving node.",
        ),
        "sample_ratio": Words(
            label="Sample ratio",
            meaning="Evidence that decisions of some arm are missing or doubled. Chance alone "
            "reaches 100 once in a hundred experiments, however often one looks.",
            mend="Do not trust the estimates. Look for what loses decisions of one arm, such as "
            "a page that fails before it says what it showed.",
        ),
        "calibration": Words(
            label="Calibration",
            meaning="Each arm turns up as often as its logged probabilities say.",
            mend="Do not trust the estimates. Somebody changes answers after they were drawn, or "
            "asks again until an answer suits.",
        ),
        "audit": Words(
            label="Audit",
            meaning="Decisions recomputed as they come in: the same probabilities, the same draw.",
            mend="Something was altered, or was decided by something else than was recorded. Run "
            "bandit-platform audit to look at every decision.",
        ),
        "immature": Words(
            label="Immature",
            meaning="Share of the measured decisions whose reward window is still open. Waiting "
            "is no trouble; waiting past the window is.",
            mend="The worker does not mature them: see whether it runs and read its log.",
        ),
        "late": Words(
            label="Late events",
            meaning="Occurred after the reward window, or were reported after it; kept, but in no "
            "reward.",
            mend="Report sooner, or give the next experiment a longer window.",
        ),
        "late_arrivals": Words(
            label="Late arrivals",
            meaning="Acknowledged inside the reward window, but stored only after their decision "
            "had matured, because a node was behind or silent; in no reward.",
            mend="Rewards are missing, so estimates are too low. Keep ingest running on every "
            "serving node, and set BANDIT_PLATFORM_NODE_WAIT_SECONDS longer than its outages.",
        ),
        "clipped": Words(
            label="Clipped rewards",
            meaning="Rewards outside the declared range, cut to it.",
            mend="Declare a range that fits what orders are worth in the next experiment.",
        ),
        "fallback": Words(
            label="Fallback",
            meaning="Something failed while deciding, so the shop got nothing.",
            mend="The log of serve says what failed: the model, or the journal's disk.",
        ),
        "other_currency": Words(
            label="Other currency",
            meaning="Amounts in another currency than the experiment's; never added up.",
            mend="Report amounts in one currency, or one experiment a currency.",
        ),
        "early_events": Words(
            label="Dated too early",
            meaning="Events dated more than 5 minutes before their decision; kept, in no reward.",
            mend="Set the clock of the server that reports, and send occurred_at with the right "
            "time zone, or leave it out.",
        ),
        "unknown_currency": Words(
            label="Unknown currency",
            meaning="Amounts from pages, reported with a currency while the experiment has none. "
            "They add nothing to rewards, because anyone can forge page reports.",
            mend="Declare reward.currency, also in a running experiment. It applies to every "
            "decision whose reward is not final yet.",
        ),
        "conflicting_events": Words(
            label="Conflicting events",
            meaning="Reports with the same event_id but different content. A server's report "
            "counts before a page's; otherwise the first one counts.",
            mend="Use a different event_id for each outcome. If a page's report conflicts with "
            "your server's, events may be forged: see secret_only.",
        ),
        "untrusted": Words(
            label="Page traffic",
            meaning="Decisions requested with a publishable key, which anyone can copy from a "
            "page. All others were requested by your servers, with a secret key.",
            mend="",
        ),
        "over_limit": Words(
            label="Above a limit",
            meaning="Page traffic above the limit of its unit or address. It is answered normally, "
            "but trains no model and is left out of every estimate. Units and addresses are "
            "pseudonyms.",
            mend="Check the sources below: it may be a flood of requests, or shoppers who share "
            "an address. Use a secret key on your server, set BANDIT_PLATFORM_PROXIES behind a "
            "proxy, and rotate a key that is abused.",
        ),
        "one_address": Words(
            label="Busiest address",
            meaning="Share of the page traffic that comes from the busiest address.",
            mend="If there is a proxy in front, set BANDIT_PLATFORM_PROXIES; without it, all "
            "shoppers have the proxy's address. If it is your server, use a secret key there.",
        ),
        "implausible": Words(
            label="Implausible rewards",
            meaning="Keys, units or addresses with 30 or more decisions of an arm that were "
            "rewarded twice as often as those of all other page traffic, by more than 6 standard "
            "errors.",
            mend="These rewards may be forged. Look at the decisions, rotate the key, and add "
            "event types that are worth money to secret_only.",
        ),
        "disputed_late": Words(
            label="Late disputes",
            meaning="Two nodes answered one request key differently. This was found after the "
            "decision had matured, so it is still in the estimates.",
            mend="Send requests with the same key to the same node, and keep ingest running on "
            "every serving node.",
        ),
        "disputed": Words(
            label="Disputed",
            meaning="Two nodes answered one request key differently; in no estimate.",
            mend="Send requests with the same key to the same node.",
        ),
        "request_conflicts": Words(
            label="Request conflicts",
            meaning="Requests refused with 409 because their request_key was already used with "
            "another unit, context or list of arms. No offer was shown.",
            mend="Send the same body each time you use a request_key; leave out context values "
            "that change between page loads.",
        ),
        "dropped_fields": Words(
            label="Dropped fields",
            meaning="Requests with undeclared context fields, which the experiment drops. Names "
            "and values of dropped fields are not stored. Misspelt fields are dropped too, so "
            "declare fields you depend on as required.",
            mend="",
        ),
        "unresolved": Words(
            label="Unresolved",
            meaning="Outcomes reported by request_key for which no decision, or more than one, "
            "was shown. They are kept and count once their decision arrives or is activated.",
            mend="Check that outcomes use the same request_key as decisions, activate deferred "
            "decisions, and send unit_id if pages request decisions.",
        ),
    }
)


def quality_page(quality: DataQuality) -> QualityPage:
    """Every check in words."""
    everywhere = CheckGroup(experiment="", state="", lines=tuple(map(_line, quality.deployment)))
    groups = [
        CheckGroup(
            experiment=each.experiment,
            state=each.state,
            lines=()
            if all(check.state is State.UNKNOWN for check in each.checks)
            else tuple(map(_line, each.checks)),
        )
        for each in sorted(quality.experiments, key=_worst_first)
    ]
    return QualityPage(headline=_headline(quality), groups=(everywhere, *groups))


def _worst_first(one: ExperimentQuality) -> tuple[int, int, int]:
    """Broken checks before those worth a look, and last where there is nothing to check."""
    broken, look, unknown = (
        sum(check.state is state for check in one.checks)
        for state in (State.BROKEN, State.LOOK, State.UNKNOWN)
    )
    return -broken, -look, unknown


def _headline(quality: DataQuality) -> str:
    broken, look = quality.count(State.BROKEN), quality.count(State.LOOK)
    if not broken and not look:
        return "Nothing is wrong with the data, as far as can be checked."
    parts = []
    if broken:
        parts.append(f"{broken} {'check is' if broken == 1 else 'checks are'} broken")
    if look:
        parts.append(f"{look} {'is' if look == 1 else 'are'} worth a look")
    return f"{' and '.join(parts)}.".capitalize()


def _line(check: QualityCheck) -> CheckLine:
    words = _WORDS[check.name]
    well = check.state in {State.FINE, State.UNKNOWN}
    return CheckLine(
        name=check.name,
        label=words.label,
        state=check.state.value,
        value=_value(check),
        limits=_limits(check),
        meaning=words.meaning,
        mend="" if well else words.mend,
        found=check.found,
    )


def _value(check: QualityCheck) -> str:
    if check.value is None:
        return ""
    some = len(check.found)
    worded = {
        "worker": "leads" if check.value else "none leads",
        "audit": f"{check.count or 0:,} of {check.of or 0:,} differ",
        "calibration": f"{some} {'arm does' if some == 1 else 'arms do'} not agree"
        if some
        else "agrees",
        "sample_ratio": f"evidence {check.value:,.1f}",
    }
    if check.name in worded:
        return worded[check.name]
    if check.of is not None:
        return f"{percent(check.value)} ({check.count:,} of {check.of:,})"
    return _amount(check.name, check.value)


def _limits(check: QualityCheck) -> str:
    if check.name == "immature":
        return "broken once past the window"
    said = []
    above = "above" if check.name in _SHARES else "from"
    if check.look_from is not None:
        limit = f"{above} {_amount(check.name, check.look_from)}"
        said.append(f"look {limit if check.look_from else 'at a single one'}")
    if check.broken_from is not None:
        said.append(f"broken {above} {_amount(check.name, check.broken_from)}")
    return ", ".join(said)


_SHARES = frozenset(
    {
        "untrusted", "over_limit", "one_address",
        "orphan", "late", "late_arrivals", "clipped", "fallback", "other_currency",
        "early_events", "unknown_currency", "conflicting_events", "disputed", "disputed_late",
        "request_conflicts", "unresolved",
    }
)  # fmt: skip


def _amount(name: str, value: float) -> str:
    if name in _SHARES:
        return percent(value)
    if name in {"ingest_lag", "nodes"}:
        return f"{value:,.0f} s"
    if name == "journal_pending":
        return f"{value / 2**20:,.1f} MiB"
    return f"{value:,.0f}"
