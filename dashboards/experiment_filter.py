"""Which experiments the list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit_platform.domain.lifecycle import State
from bandit_platform.services.reporting.report_records import ExperimentReport


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A filter's field.

    Attributes:
        name: as in the address.
        label: as printed.
        chosen: what is chosen; empty for all.
        options: what can be.
    """

    name: str
    label: str
    chosen: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExperimentFilter:
    """What somebody wants to see; empty means all, archived ones excepted."""

    state: str = ""
    placement: str = ""
    owner: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> ExperimentFilter:
        """What an address asks for."""
        return cls(
            state=asked.get("state", ""),
            placement=asked.get("placement", ""),
            owner=asked.get("owner", ""),
        )

    @property
    def archived(self) -> bool:
        """Whether it asks for archived experiments."""
        return self.state == State.ARCHIVED

    @property
    def narrows(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.state or self.placement or self.owner)

    def shown(self, reports: Sequence[ExperimentReport]) -> list[ExperimentReport]:
        """The reports that fit."""
        return [
            each
            for each in reports
            if self.state in {"", each.state}
            and self.placement in {"", each.placement}
            and self.owner in {"", each.owner}
        ]

    def choices(self, reports: Sequence[ExperimentReport]) -> tuple[Choice, ...]:
        """The fields, with what occurs among the experiments."""
        states = tuple(state.value for state in State)
        return (
            Choice(name="state", label="State", chosen=self.state, options=states),
            _choice("placement", "Placement", self.placement, [r.placement for r in reports]),
            _choice("owner", "Owner", self.owner, [r.owner for r in reports]),
        )


def _choice(name: str, label: str, chosen: str, values: Sequence[str]) -> Choice:
    options = sorted({*filter(None, values), *([chosen] if chosen else [])})
    return Choice(name=name, label=label, chosen=chosen, options=tuple(options))
