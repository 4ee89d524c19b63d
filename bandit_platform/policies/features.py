"""From context and arms to Vowpal Wabbit text, so that no value can become anything else.

In VW text a space ends a feature, ``|`` opens a namespace, ``:`` gives a value and a newline
makes another arm. Every name and value that came from outside is therefore percent-encoded; what
remains are letters, digits and ``_.-~%``.

A set gives one feature for each of its n values, each 1/sqrt(n), so that a full cart weighs as
much as any other field.

Namespaces: ``c`` holds the context, ``a`` the arm. An arm is named by the feature ``@key``, which
no declared feature can be called. The position of a line names the arm, so the order of the
eligible arms is stored with every decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

from bandit_platform.domain.context import Context, ContextValue
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.request_arms import ArmList, FeatureValue, KnownArm
from bandit_platform.policies.numbers import number

#: Raised whenever the encoding changes, because models of different encodings do not mix.
ENCODING_VERSION = 3

#: VW multiplies up to three features in single precision, which ends at 3.4e38: beyond it lies
#: infinity, and a model that sees it gives no distribution.
_LARGEST = 1e12
_NOTHING_LINE = f"|a @{NOTHING}"


@lru_cache(maxsize=65536)
def encode(text: str) -> str:
    """A name or value that VW reads as one token."""
    return quote(text, safe="", errors="replace")


def feature(name: str, value: ContextValue) -> str:
    """The text of one field: ``name=value`` for text and booleans, ``name:value`` for numbers.

    A set is as many features as it has values, none for an empty one.
    """
    if isinstance(value, tuple):
        return _members(name, value)
    if isinstance(value, (str, bool)):
        return _named(name, value)
    limited = value if -_LARGEST <= value <= _LARGEST else min(max(value, -_LARGEST), _LARGEST)
    return f"{encode(name)}:{number(limited)}".replace("e+", "e")


@lru_cache(maxsize=65536)
def _named(name: str, value: str | bool) -> str:
    if isinstance(value, bool):
        return f"{encode(name)}={'true' if value else 'false'}"
    return f"{encode(name)}={encode(value)}"


def _members(name: str, values: tuple[str, ...]) -> str:
    scale = f":{number(1.0 / math.sqrt(len(values)))}" if len(values) > 1 else ""
    return " ".join([f"{_named(name, value)}{scale}" for value in values])


class FeatureText:
    """The VW text of an experiment's decisions; arm lines are made once."""

    def __init__(self, spec: ExperimentSpec) -> None:
        self._lines = {arm.key: _arm_line(arm.key, arm.features) for arm in spec.arms}
        self._lines[NOTHING] = _NOTHING_LINE

    def lines(
        self, context: Context, eligible: Sequence[str], request_arms: ArmList | None = None
    ) -> list[str]:
        """The lines of one decision: the shared context, then one line an eligible arm.

        Args:
            context: of the decision.
            eligible: keys of the eligible arms.
            request_arms: the arms that came with the request, if any did.
        """
        features = [
            _named(name, value) if value.__class__ is str else feature(name, value)
            for name, value in context.items()
        ]
        shared = " ".join(["shared |c", *features])
        if request_arms is not None:
            return [shared, *_lines_of(request_arms, eligible)]
        arms = self._lines
        return [shared, *[arms[arm] for arm in eligible]]


def _arm_line(key: str, features: Mapping[str, FeatureValue]) -> str:
    return " ".join([f"|a @{encode(key)}", *[feature(k, v) for k, v in features.items()]])


def _lines_of(arms: ArmList, eligible: Sequence[str]) -> list[str]:
    """The lines of the eligible ones among a request's arms, ``nothing`` first."""
    chosen = arms.arms
    if len(eligible) <= len(chosen):
        chosen = tuple([arms.by_key[key] for key in eligible[1:]])
    return [_NOTHING_LINE, *[arm.line or _new_line(arm) for arm in chosen]]


def _new_line(arm: KnownArm) -> str:
    """The line of an arm, kept with it: most arms come again and again."""
    arm.line = line = _arm_line(arm.key, arm.features)
    return line
