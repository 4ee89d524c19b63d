"""Which experiments the list shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit_platform.domain.lifecycle import State
from bandit_platform.services.reporting.report_records import ExperimentReport

#: experiments on one page of the list
MOST_SHOWN = 50


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
class Cut:
    """A page of the list: its first and last line, of how many, and the pages beside it."""

    first: int
    last: int
    of: int
    before: int | None
    after: int | None


@dataclass(frozen=True, kw_only=True)
class ExperimentFilter:
    """What somebody wants to see; empty means all, archived ones excepted."""

    state: str = ""
    placement: str = ""
    owner: str = ""
    #: what a key contains, in whatever case
    name: str = ""
    #: which page of those that fit, from 1
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> ExperimentFilter:
        """What an address asks for."""
        return cls(
            state=asked.get("state", ""),
            placement=asked.get("placement", ""),
            owner=asked.get("owner", ""),
            name=asked.get("name", "").strip(),
            page=_number(asked.get("page", "")),
        )

    @property
    def archived(self) -> bool:
        """Whether it asks for archived experiments."""
        return self.state == State.ARCHIVED

    @property
    def narrows(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.state or self.placement or self.owner or self.name)

    def shown(self, reports: Sequence[ExperimentReport]) -> list[ExperimentReport]:
        """The reports that fit."""
        return [
            each
            for each in reports
            if self.state in {"", each.state}
            and self.placement in {"", each.placement}
            and self.owner in {"", each.owner}
            and self.name.casefold() in each.experiment.casefold()
        ]

    def cut(self, found: Sequence[ExperimentReport]) -> tuple[Sequence[ExperimentReport], Cut]:
        """The page of those that fit, and where it stands among them."""
        pages = max(1, -(-len(found) // MOST_SHOWN))
        page = min(self.page, pages)
        first = (page - 1) * MOST_SHOWN
        shown = found[first : first + MOST_SHOWN]
        return shown, Cut(
            first=first + 1,
            last=first + len(shown),
            of=len(found),
            before=page - 1 or None,
            after=page + 1 if page < pages else None,
        )

    @property
    def said(self) -> dict[str, str]:
        """The filters as an address says them."""
        named = {
            "state": self.state,
            "placement": self.placement,
            "owner": self.owner,
            "name": self.name,
        }
        return {name: text for name, text in named.items() if text}

    def choices(self, reports: Sequence[ExperimentReport]) -> tuple[Choice, ...]:
        """The fields, with what occurs among the experiments."""
        states = tuple(state.value for state in State)
        return (
            Choice(name="state", label="State", chosen=self.state, options=states),
            _choice("placement", "Placement", self.placement, [r.placement for r in reports]),
            _choice("owner", "Owner", self.owner, [r.owner for r in reports]),
        )


def _number(text: str) -> int:
    return max(1, int(text[:6])) if text.isdecimal() and text.isascii() else 1


def _choice(name: str, label: str, chosen: str, values: Sequence[str]) -> Choice:
    options = sorted({*filter(None, values), *([chosen] if chosen else [])})
    return Choice(name=name, label=label, chosen=chosen, options=tuple(options))
