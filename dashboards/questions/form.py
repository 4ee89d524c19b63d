"""The form that asks a question: what was chosen, what can be chosen, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.domain.question import Question, set_segments
from bandit_platform.domain.selection import parse_moment
from bandit_platform.errors import InputError, Problem, QuestionError
from bandit_platform.ope.evaluating.plan import DEFAULT_ESTIMATORS, ESTIMATORS

_ESTIMATORS = MappingProxyType(
    {
        "ips": "Weights each reward by how much likelier the policy's choice was. Unbiased; its "
        "interval holds at every look.",
        "snips": "As ips, divided by the mean weight: usually steadier.",
        "clipped-ips": "As ips with weights cut at a bound: steadier, slightly biased.",
        "dm": "Asks a reward model only. Steady, but as wrong as the model.",
        "dr": "A reward model, corrected by weighted errors: usually the narrowest honest one.",
        "sndr": "As dr, divided by the mean weight.",
        "switch-dr": "As dr, but trusts the model alone where weights are large.",
        "dros": "As dr with weights shrunk.",
        "mrdr": "As dr with a model fitted to make the correction small.",
        "cressie-read": "Reweights rows so that the mean weight is 1: good intervals for one look.",
    }
)
#: conditions that a question takes, and that a form has room for while few are used
_MOST_CONDITIONS, _ROOM = 10, 3
_FIELDS = ("policies", "learn", "estimators", "baseline", "since", "until", "by", "where", "alpha")


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something that can be ticked or picked."""

    value: str
    meaning: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What somebody chose so far, as text."""

    policies: tuple[str, ...] = ()
    learn: str = ""
    estimators: tuple[str, ...] = DEFAULT_ESTIMATORS
    baseline: str = ""
    since: str = ""
    until: str = ""
    by: str = ""
    #: field and value of each condition
    conditions: tuple[tuple[str, str], ...] = ()
    alpha: str = "0.05"

    @property
    def where(self) -> tuple[str, ...]:
        """The conditions as a question words them."""
        return tuple(f"{field}={value}" for field, value in self.conditions)


@dataclass(frozen=True, kw_only=True)
class QuestionForm:
    """The form, ready for its template."""

    experiment: str
    zone: str
    choices: Choices
    policies: tuple[Option, ...]
    estimators: tuple[Option, ...]
    baselines: tuple[tuple[str, str], ...]
    presets: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    where_fields: tuple[tuple[str, str], ...]
    #: field and value of each condition, with room for more
    conditions: tuple[tuple[str, str], ...]
    #: field → what is wrong with it
    errors: Mapping[str, str]
    #: what is wrong with the question as a whole
    trouble: str = ""


def choices_from(values: Mapping[str, Sequence[str]]) -> Choices:
    """What a form or an address says; what it does not say is as usual.

    Args:
        values: name → values.
    """

    def one(name: str, usual: str = "") -> str:
        return (values.get(name) or [usual])[0].strip()

    asked = [value.strip() for value in values.get("policy") or () if value.strip()]
    fresh = [value for value in asked if value.startswith("learn:")]
    return Choices(
        policies=tuple(dict.fromkeys(value for value in asked if value not in fresh)),
        learn=one("learn") or (fresh[0].partition(":")[2] if fresh else ""),
        estimators=tuple(values.get("estimator") or ()) or DEFAULT_ESTIMATORS,
        baseline=one("baseline"),
        since=one("since"),
        until=one("until"),
        by=one("by"),
        conditions=_conditions(values),
        alpha=one("alpha", "0.05"),
    )


def _conditions(values: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Those of an address (``where=country=GB``), and those of a form, in two fields each."""
    worded = [text.partition("=")[::2] for text in values.get("where") or () if text.strip()]
    fields, wanted = values.get("where_field") or (), values.get("where_value") or ()
    pairs = [*worded, *zip_longest(fields, wanted, fillvalue="")]
    stripped = [(field.strip(), value.strip()) for field, value in pairs]
    return tuple(dict.fromkeys(pair for pair in stripped if any(pair)))


def first_choices(known: Mapping[str, str]) -> Choices:
    """What a fresh form has ticked: as served, uniform, serving, and each arm while few."""
    arms = [name for name in known if name.startswith("always:")]
    usual = [name for name in ("logging", "uniform", "serving") if name in known]
    return Choices(policies=(*usual, *(arms if len(arms) <= 6 else arms[:1])))


def question_from(experiment: str, choices: Choices) -> Question:
    """The question that was chosen.

    Raises:
        QuestionError: the error level is no number, or a field is too long.
    """
    try:
        alpha = float(choices.alpha)
    except ValueError:
        raise QuestionError([Problem(path="alpha", message="give a number such as 0.05")]) from None
    learn = (f"learn:{choices.learn}",) if choices.learn else ()
    fields: dict[str, Any] = {
        "experiment": experiment,
        "policies": (*choices.policies, *learn),
        "estimators": choices.estimators,
        "baseline": choices.baseline,
        "since": choices.since,
        "until": choices.until,
        "by": (choices.by,) if choices.by else (),
        "where": choices.where,
        "alpha": alpha,
    }
    try:
        return Question(**fields)
    except ValueError as error:
        raise QuestionError(_too_much(error)) from None


def _too_much(error: ValueError) -> list[Problem]:
    details: list[Any] = getattr(error, "errors", list)()
    return [
        Problem(path=str(detail["loc"][0]), message=_refusal(detail)) for detail in details
    ] or [Problem(path="policies", message="cannot be read")]


def _refusal(detail: Mapping[str, Any]) -> str:
    if detail["type"] != "too_long":
        return "is too long, too many or not a finite number"
    what = "conditions" if detail["loc"][0] == "where" else "of these"
    return "at most {max_length} {what}, not {actual_length}".format(what=what, **detail["ctx"])


def address_of(question: Question) -> str:
    """The choices of a question as the query of an address, to ask it again or a variation."""
    said: list[tuple[str, str]] = [("experiment", question.experiment)]
    said += [("policy", policy) for policy in question.policies]
    said += [("estimator", name) for name in question.estimators]
    said += [("by", field) for field in question.by[:1]]
    said += [("where", condition) for condition in question.where]
    for name in ("baseline", "since", "until"):
        said += [(name, getattr(question, name))] if getattr(question, name) else []
    return urlencode([*said, ("alpha", f"{question.alpha:g}")])


def question_form(
    spec: ExperimentSpec,
    known: Mapping[str, str],
    choices: Choices,
    problems: Sequence[Problem] = (),
    trouble: str = "",
) -> QuestionForm:
    """The form of an experiment's questions.

    Args:
        spec: the experiment.
        known: policy → what it is.
        choices: what is chosen.
        problems: what is wrong with that.
        trouble: what is wrong with the question as a whole.
    """
    zone = spec.report.time_zone
    shown = replace(
        choices,
        since=_as_input(choices.since, zone),
        until=_as_input(choices.until, zone, whole_day=True),
    )
    listed = {**known, **{name: "" for name in choices.policies if name not in known}}
    return QuestionForm(
        experiment=spec.key,
        zone=zone,
        choices=shown,
        policies=tuple(
            Option(value=name, meaning=text, chosen=name in choices.policies)
            for name, text in listed.items()
        ),
        estimators=tuple(
            Option(value=name, meaning=_ESTIMATORS[name], chosen=name in choices.estimators)
            for name in ESTIMATORS
        ),
        baselines=(
            ("", "always:nothing, showing no offer"),
            *((name, name) for name in listed if name != "always:nothing"),
        ),
        presets=(("", "none"), *((name, name) for name in EXPLORATIONS)),
        fields=(
            ("", "no segments"),
            *((name, name) for name, field in spec.context.items() if field.type != "set"),
            *((text, " contains ".join(text.split("=", 1))) for text in set_segments(spec)),
        ),
        where_fields=(("", "everybody"), *((name, name) for name in spec.context)),
        conditions=choices.conditions + (("", ""),) * _room(len(choices.conditions)),
        errors=_beside(problems, choices),
        trouble=trouble,
    )


def _room(used: int) -> int:
    """How many empty conditions are offered."""
    return max(_ROOM - used, 1 if used < _MOST_CONDITIONS else 0)


def _as_input(text: str, zone: str, *, whole_day: bool = False) -> str:
    """A day or moment as a browser's field for local time wants it."""
    try:
        found = parse_moment(text, zone, name="period", whole_day=whole_day)
    except InputError:
        return text
    local = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def _beside(problems: Sequence[Problem], choices: Choices) -> dict[str, str]:
    """Field of the form → what is wrong with it."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        field, _, place = problem.path.partition("[")
        message = problem.message
        if field == "policies" and place:
            number = int(place.rstrip("]"))
            if number >= len(choices.policies):
                field = "learn"
            else:
                message = f"{choices.policies[number]}: {message}"
        found.setdefault(field if field in _FIELDS else "policies", []).append(message)
    return {field: "; ".join(messages) for field, messages in found.items()}
