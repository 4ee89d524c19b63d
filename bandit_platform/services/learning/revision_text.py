"""An experiment's revisions with their prepared Vowpal Wabbit text."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.features import FeatureText
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import revisions


@dataclass(frozen=True, kw_only=True)
class RevisionText:
    """A revision's spec with its prepared VW text."""

    spec: ExperimentSpec
    text: FeatureText


def revision_texts(connection: Connection, experiment: str) -> dict[int, RevisionText]:
    """Every revision by its number, oldest first."""
    return {
        stored.number: RevisionText(spec=stored.spec, text=FeatureText(stored.spec))
        for stored in revisions(connection, experiment)
    }
