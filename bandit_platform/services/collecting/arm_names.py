"""The names under which arms are counted: a large catalogue must not fill tables and reports.

Arms of the file keep their keys. Of the arms of requests, the first ones of an
experiment keep theirs, up to a limit, and the others are counted together.
"""

from __future__ import annotations

from collections.abc import Iterable

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.request_arms import MOST_REPORTED, OTHER
from bandit_platform.storage.counters import counted_arms
from bandit_platform.storage.database import Connection
from bandit_platform.storage.exclusions import excluded_arms

#: arms that have sums of their own, of which reports name the most frequent
MOST_COUNTED = 1000


class ArmNames:
    """The names of one experiment's arms.

    Args:
        known: names that are in use.
        most: how many there may be.
    """

    def __init__(self, known: Iterable[str], most: int) -> None:
        self._known = {NOTHING, *known}
        self._most = most

    def name_of(self, arm: str) -> str:
        """The name under which an arm is counted."""
        if arm in self._known:
            return arm
        if len(self._known) > self._most:
            return OTHER
        self._known.add(arm)
        return arm


def names_of_sums(connection: Connection, decisions: Iterable[Decision]) -> dict[str, ArmNames]:
    """Experiment → the names of sums by arm, for those whose requests brought arms."""
    return {
        key: ArmNames(counted_arms(connection, key), MOST_COUNTED)
        for key in _bringing_arms(decisions)
    }


def names_of_exclusions(
    connection: Connection, decisions: Iterable[Decision]
) -> dict[str, ArmNames]:
    """Experiment → the names of counts of exclusions, for those whose requests brought arms."""
    return {
        key: ArmNames(excluded_arms(connection, key), MOST_REPORTED)
        for key in _bringing_arms(decisions)
    }


def _bringing_arms(decisions: Iterable[Decision]) -> set[str]:
    return {each.experiment for each in decisions if each.draws[0].arms_hash is not None}
