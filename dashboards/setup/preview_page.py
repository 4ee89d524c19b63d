"""The preview of a definition, ready for its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.services.launching.preview import Preview
from dashboards.text import declared_percent, percent, why_out


@dataclass(frozen=True, kw_only=True)
class PreviewField:
    """A field of the context to type into."""

    name: str
    label: str
    #: number, category, boolean or set
    kind: str
    value: str
    #: what may be said, for a category or set with declared values
    values: tuple[str, ...]
    required: bool
    error: str


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """One arm of the situation."""

    arm: str
    #: probability in words; empty for an arm that is out
    chance: str
    #: width of its bar in percent
    width: float
    #: why it is out; empty for an eligible arm
    why: str


@dataclass(frozen=True, kw_only=True)
class PreviewPage:
    """What to type, and what came of it.

    Attributes:
        fields: the context.
        at: the moment that was typed.
        at_error: what is wrong with it.
        lines: every arm; empty before somebody asked.
        source: where the probabilities come from, in a sentence.
        trouble: why there is no preview.
        takes_arms: whether requests may bring arms.
        arms: those that were typed, as JSON.
        arms_error: what is wrong with them.
    """

    fields: tuple[PreviewField, ...]
    at: str
    at_error: str = ""
    lines: tuple[PreviewLine, ...] = ()
    source: str = ""
    trouble: str = ""
    takes_arms: bool = False
    arms: str = ""
    arms_error: str = ""


def preview_page(
    spec: ExperimentSpec | None,
    tried: Mapping[str, str],
    found: Preview | None = None,
    errors: Mapping[str, str] | None = None,
) -> PreviewPage:
    """The panel that tries a definition.

    Args:
        spec: the definition; None while something is wrong with it.
        tried: what was typed into the panel.
        found: what the situation leads to; None before somebody asked.
        errors: field of the context, or ``at`` → what is wrong with it.
    """
    wrong = errors or {}
    if spec is None:
        return PreviewPage(
            fields=(),
            at=tried.get("try--at", ""),
            trouble="The preview comes when the definition has no errors.",
        )
    fields = tuple(
        PreviewField(
            name=f"try-{name}",
            label=name,
            kind=field.type,
            value=tried.get(f"try-{name}", ""),
            values=tuple(getattr(field, "values", None) or ()),
            required=field.required,
            error=wrong.get(f"context.{name}", ""),
        )
        for name, field in spec.context.items()
    )
    page = PreviewPage(
        fields=fields,
        at=tried.get("try--at", ""),
        at_error=wrong.get("at", ""),
        takes_arms=spec.takes_arms,
        arms=tried.get("try--arms", ""),
        arms_error=wrong.get("arms", ""),
    )
    if found is None:
        return page
    return replace(
        page,
        lines=_lines(spec, found),
        source=_source(spec, found),
        trouble=found.trouble,
    )


def _lines(spec: ExperimentSpec, found: Preview) -> tuple[PreviewLine, ...]:
    return tuple(
        PreviewLine(
            arm=arm,
            chance=percent(found.eligible[arm]) if arm in found.eligible else "",
            width=round(100 * found.eligible.get(arm, 0.0), 3),
            why=_why(found, arm, spec.report.time_zone),
        )
        for arm in dict.fromkeys([*spec.arm_keys, *found.eligible, *found.excluded])
    )


def _why(found: Preview, arm: str, zone: str) -> str:
    exclusion = found.excluded.get(arm)
    return "" if exclusion is None else why_out(exclusion, zone)


def _source(spec: ExperimentSpec, found: Preview) -> str:
    if found.model_version is not None:
        origin = f"The probabilities are those of model version {found.model_version}, served now"
    elif spec.policy.mode in {"uniform", "shadow"}:
        origin = f"In mode {spec.policy.mode} every eligible arm is equally likely"
    else:
        origin = "Until a model is published for this definition, eligible arms are equally likely"
    if not found.holdout_share:
        return f"{origin}. Nobody is held out."
    share = declared_percent(found.holdout_share)
    return f"{origin}. Besides, {share} of units are held out and always get nothing."
