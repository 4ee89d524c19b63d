"""Finding decisions by what somebody knows of them: id, shopper, order, time, arm or reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.identity import pseudonym, request_hash
from bandit_platform.storage.database import Database
from bandit_platform.storage.decision_search import FoundPage, Place, Search, search_decisions
from bandit_platform.storage.decisions import get_decision
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.keys import key_labels

PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What an experiment's decisions can be narrowed to."""

    time_zone: str
    #: arms of every revision, ``nothing`` first
    arms: tuple[str, ...]


class DecisionFinder:
    """Looks decisions of one deployment up."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    def choices(self, experiment: str) -> Choices:
        """What can be chosen.

        Raises:
            NotFoundError: there is no such experiment.
        """
        with self._database.read() as connection:
            stored = get_experiment(connection, experiment)
            arms = [arm for each in revisions(connection, experiment) for arm in each.spec.arm_keys]
        return Choices(time_zone=stored.spec.report.time_zone, arms=tuple(dict.fromkeys(arms)))

    def page(self, search: Search, after: Place | None = None) -> FoundPage:
        """Fifty decisions that fit, newest first."""
        with self._database.read() as connection:
            return search_decisions(connection, search, after=after, limit=PAGE)

    def key_labels(self) -> dict[str, str]:
        """Id of every API key → its label."""
        with self._database.read() as connection:
            return key_labels(connection)

    def unit(self, unit_id: str) -> str:
        """The pseudonym under which a unit's decisions are stored."""
        return pseudonym(self._secret, unit_id)

    def has(self, experiment: str, decision_id: str) -> bool:
        """Whether the experiment has such a decision."""
        with self._database.read() as connection:
            found = get_decision(connection, decision_id)
        return found is not None and found.experiment == experiment

    def request(self, experiment: str, request_key: str) -> str:
        """The hash under which a request key of an experiment is stored."""
        return request_hash(self._secret, experiment, request_key)


def parse_place(text: str) -> Place | None:
    """A place as an address carries it; None where it is no such thing."""
    moment, _, decision_id = text.partition("~")
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return Place(moment=found, decision_id=decision_id) if found.tzinfo else None


def place_text(place: Place) -> str:
    """The inverse of :func:`parse_place`."""
    return f"{place.moment.isoformat()}~{place.decision_id}"
