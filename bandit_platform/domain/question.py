"""A saved off-policy evaluation of an experiment: what is asked, and what became of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.context import SetField
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.domain.selection import parse_moment, parse_where
from bandit_platform.errors import InputError, Problem

_VERSION = re.compile(r"version:[1-9]\d{0,8}")
_Text = Annotated[str, Field(min_length=1, max_length=256)]
MOST_POLICIES = 20
#: below, intervals say nothing any more, and in the end cannot be computed
LEAST_ALPHA = 0.000001


class QuestionState(StrEnum):
    """What became of a question."""

    #: waits for a worker
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self in {QuestionState.QUEUED, QuestionState.RUNNING}


class Question(BaseModel):
    """What is asked; the same words as the command ``evaluate --live``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: _Text = Field(
        pattern=r"^[^\x00]+$", description="Key of the experiment whose interactions are valued."
    )
    policies: tuple[_Text, ...] = Field(
        max_length=MOST_POLICIES,
        description="logging, uniform, serving, a candidate's name, always:<arm>, version:<number> "
        "or learn:<preset>.",
    )
    estimators: tuple[_Text, ...] = Field(
        default=("ips", "snips", "dr", "cressie-read"),
        max_length=20,
        description="Estimators of a policy's value.",
    )
    baseline: Annotated[str, Field(max_length=256)] = Field(
        default="", description="What uplifts are over; always:nothing where it is empty."
    )
    since: Annotated[str, Field(max_length=40)] = Field(
        default="",
        description="Only decisions from this day or moment on, in the experiment's time zone.",
    )
    until: Annotated[str, Field(max_length=40)] = Field(
        default="", description="Only decisions up to this day (included) or before this moment."
    )
    by: tuple[_Text, ...] = Field(
        default=(), max_length=5, description="Context fields to cut the result by."
    )
    where: tuple[_Text, ...] = Field(
        default=(),
        max_length=10,
        description="Only decisions with this context: country=GB, cart_value=50..100.",
    )
    alpha: float = Field(
        default=0.05, allow_inf_nan=False, description="Error of all intervals together."
    )

    def command(self, until: str = "") -> str:
        """The command that answers the same.

        Args:
            until: end of the data that were valued; the question's own end where it is empty.
        """
        words = ["bandit-platform", "evaluate", "--live", self.experiment]
        words += [word for policy in self.policies for word in ("--policy", policy)]
        words += ["--estimator", ",".join(self.estimators)]
        words += ["--baseline", self.baseline] if self.baseline else []
        words += ["--from", self.since] if self.since else []
        words += ["--to", until or self.until] if until or self.until else []
        words += [word for field in self.by for word in ("--by", f"context.{field}")]
        words += [word for condition in self.where for word in ("--where", condition)]
        return shlex.join([*words, "--alpha", f"{self.alpha:g}"])


@dataclass(frozen=True, kw_only=True)
class StoredQuestion:
    """A question with what is known of its answer."""

    question_id: str
    asked_by: Actor
    question: Question
    state: QuestionState
    #: rows walked so far, of how many; the data are walked twice
    done: int
    total: int
    #: how often work on it began
    attempts: int
    #: decisions valued; None before the answer
    rows: int | None
    #: the finding in a sentence; empty before the answer
    headline: str
    #: why there is no answer; empty unless it failed
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def policy_choices(specs: Sequence[ExperimentSpec]) -> dict[str, str]:
    """Policies that can be asked about beside versions and presets, with what each is.

    Args:
        specs: the experiment's revisions, oldest first; arms of every one were shown.
    """
    spec = specs[-1]
    found = {
        "logging": "What shoppers really got, exploration and early learning included.",
        "uniform": "Every eligible arm equally likely: no model at all.",
    }
    if spec.policy.mode != "uniform":
        found["serving"] = "The learned policy, valued on each decision before it learns from it."
    for candidate in spec.candidates:
        found[candidate.name] = "A candidate: learns beside the serving policy, never decides."
    if len(spec.arm_keys) > 2:
        found["always-something"] = "An offer for everybody who may get one, each equally likely."
    for arm in dict.fromkeys(key for each in specs for key in each.arm_keys):
        found[f"always:{arm}"] = (
            "Never show an offer."
            if arm == "nothing"
            else "Show this arm to everybody who may get it, nothing to others."
        )
    return found


def question_problems(
    question: Question,
    specs: Sequence[ExperimentSpec],
    estimators: Collection[str],
) -> list[Problem]:
    """What is wrong with a question, each with the field it concerns.

    Args:
        question: what is asked.
        specs: the experiment's revisions, oldest first.
        estimators: the known ones.
    """
    spec, known = specs[-1], policy_choices(specs)
    problems = []
    if not question.policies:
        problems.append(Problem(path="policies", message="choose at least one policy"))
    problems += [
        Problem(path=f"policies[{place}]", message=fault)
        for place, policy in enumerate(question.policies)
        if (fault := _policy_fault(policy, known))
    ]
    if question.baseline and (fault := _policy_fault(question.baseline, known)):
        problems.append(Problem(path="baseline", message=fault))
    if not question.estimators or set(question.estimators) - set(estimators):
        named = ", ".join(estimators)
        problems.append(Problem(path="estimators", message=f"choose one or more of {named}"))
    if not LEAST_ALPHA <= question.alpha <= 0.5:
        message = f"must be at least {LEAST_ALPHA:f} and at most 0.5"
        problems.append(Problem(path="alpha", message=message))
    problems += [
        Problem(path=f"by[{place}]", message=message)
        for place, name in enumerate(question.by)
        if (message := _by_fault(name, spec))
    ]
    return [*problems, *_selection_problems(question, spec)]


def _by_fault(text: str, spec: ExperimentSpec) -> str:
    name, equals, value = text.partition("=")
    field = spec.context.get(name)
    if field is None or (equals and field.type != "set"):
        return f"give a declared context field: {', '.join(spec.context) or 'it declares none'}"
    if field.type == "set" and not value:
        return f"{name} is a set: name a value to cut by, such as {name}=VALUE"
    return ""


def set_segments(spec: ExperimentSpec) -> tuple[str, ...]:
    """The segments that a set can be cut into: its values that the definition names."""
    listed: dict[str, list[str]] = {
        name: list(field.values or ())
        for name, field in spec.context.items()
        if isinstance(field, SetField)
    }
    for segment in spec.report.segments:
        for name, values in segment.items() if isinstance(segment, dict) else ():
            listed.get(name, []).extend(map(str, values))
    for arm in spec.arms:
        if arm.sku is not None and arm.not_if_in is not None:
            listed[arm.not_if_in].append(arm.sku)
    return tuple(
        f"{name}={value}" for name, values in listed.items() for value in dict.fromkeys(values)
    )


def _policy_fault(policy: str, known: Collection[str]) -> str:
    if policy in known or _VERSION.fullmatch(policy):
        return ""
    if policy.startswith("learn:"):
        if policy.partition(":")[2] in EXPLORATIONS:
            return ""
        return f"learn: takes one of {', '.join(EXPLORATIONS)}"
    if policy.startswith("version:"):
        return "version: takes a number, such as version:7"
    return f"is not a policy of this experiment; there are {', '.join(known)}"


def _selection_problems(question: Question, spec: ExperimentSpec) -> list[Problem]:
    zone = spec.report.time_zone
    problems, moments = [], []
    for name, text, whole_day in (("from", question.since, False), ("to", question.until, True)):
        try:
            if text:
                moments.append(parse_moment(text, zone, name=name, whole_day=whole_day))
        except InputError as error:
            message = str(error).partition(": ")[2]
            problems.append(Problem(path="since" if name == "from" else "until", message=message))
    if len(moments) == 2 and moments[0] >= moments[1]:
        problems.append(Problem(path="until", message="the period ends before it begins"))
    for place, condition in enumerate(question.where):
        try:
            parse_where(spec.context, condition)
        except InputError as error:
            problems.append(Problem(path=f"where[{place}]", message=str(error).partition(": ")[2]))
    return problems
