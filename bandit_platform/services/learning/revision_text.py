"""An experiment's revisions with their prepared Vowpal Wabbit text."""

from __future__ import annotations

from dataclasses import dataclass, field

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.features import FeatureText
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import revisions


@dataclass(frozen=True, kw_only=True)
class RevisionText:
    """A revision's spec with its prepared VW text."""

    spec: ExperimentSpec
    text: FeatureText
    #: the revision after it; None for the newest
    later: RevisionText | None = field(default=None, repr=False, compare=False)


def revision_texts(connection: Connection, experiment: str) -> dict[int, RevisionText]:
    """Every revision by its number, oldest first."""
    texts: dict[int, RevisionText] = {}
    later: RevisionText | None = None
    for stored in reversed(revisions(connection, experiment)):
        later = RevisionText(spec=stored.spec, text=FeatureText(stored.spec), later=later)
        texts[stored.number] = later
    return dict(reversed(texts.items()))
