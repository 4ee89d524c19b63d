"""Recomputing what was logged: the same distribution, bit for bit, and the same draw.

For each decision the audit takes the stored revision, context, eligible arms, model version and
seed, and computes again who was eligible, how likely each arm was, and which one the seed draws.
Whatever differs was changed after the fact, or decided by something else than was recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.assignment import draw, draw_seed, in_holdout
from bandit_platform.domain.decision import Decision, Reason
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import ExclusionCode
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.identity import decision_id_for, is_genuine
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.errors import BanditPlatformError, PolicyError, StorageError
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import DecisionRows, decision_rows, readable
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.models import model_blob

_BATCH = 5000
_MODELS_HELD = 8
#: characters of the hash of a request key; earlier versions stored a shorter one
_REQUEST_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A decision that cannot have come about as it is recorded."""

    decision_id: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found."""

    experiment: str
    #: decisions looked at
    checked: int
    #: decisions whose distribution a model gave, recomputed from its stored bytes
    recomputed: int
    mismatches: tuple[Mismatch, ...]


def audit(
    database: Database, secret: bytes, experiment: str, since: datetime | None = None
) -> Audit:
    """Recompute every logged decision of an experiment.

    Args:
        database: where they are stored.
        secret: the deployment's secret, which seeds and ids are keyed with.
        experiment: key.
        since: only decisions made at or after this moment.

    Raises:
        NotFoundError: there is no such experiment.
    """
    auditor = Auditor(database, secret, experiment)
    checked = recomputed = 0
    mismatches: list[Mismatch] = []
    for rows in _batches(database, experiment, since):
        checked += len(rows)
        unreadable: dict[str, str] = {}
        decisions = readable(rows, unreadable)
        mismatches += [Mismatch(decision_id=one, what=why) for one, why in unreadable.items()]
        for decision in sorted(decisions, key=_version):
            recomputed += decision.reason is Reason.POLICY
            what = auditor.mismatch(decision)
            if what is not None:
                mismatches.append(Mismatch(decision_id=decision.decision_id, what=what))
    return Audit(
        experiment=experiment,
        checked=checked,
        recomputed=recomputed,
        mismatches=tuple(mismatches),
    )


class Auditor:
    """Recomputes decisions of one experiment, one after the other."""

    def __init__(self, database: Database, secret: bytes, experiment: str) -> None:
        """Read the experiment's revisions.

        Raises:
            NotFoundError: there is no such experiment.
        """
        self._database = database
        self._secret = secret
        self._experiment = experiment
        self._models = _Models(database, experiment)
        self._specs = self._read_specs()

    def mismatch(self, decision: Decision) -> str | None:
        """What about a decision does not follow from what is recorded with it, or None."""
        if decision.revision not in self._specs:
            self._specs = self._read_specs()
        try:
            return _mismatch(decision, self._secret, self._specs, self._models)
        except StorageError:
            raise
        except BanditPlatformError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever stands in a row, the others are looked at
            return f"it cannot be recomputed: {type(error).__name__}"

    def close(self) -> None:
        """Let the loaded models go."""
        self._models.close()

    def _read_specs(self) -> dict[int, tuple[ExperimentSpec, FeatureText]]:
        with self._database.read() as connection:
            get_experiment(connection, self._experiment)
            return {
                each.number: (each.spec, FeatureText(each.spec))
                for each in revisions(connection, self._experiment)
            }


def _batches(database: Database, experiment: str, since: datetime | None) -> Iterator[DecisionRows]:
    after: tuple[int, str] | None = None
    while True:
        with database.read() as connection:
            rows = decision_rows(connection, experiment, since, after=after, limit=_BATCH)
        if not rows:
            return
        after = (rows[-1].decided_at, rows[-1].decision_id)
        yield rows


def _version(decision: Decision) -> int:
    version = decision.model_version
    return version if isinstance(version, int) else 0


class _Models:
    """The stored model versions, a few of them loaded at a time."""

    def __init__(self, database: Database, experiment: str) -> None:
        self._database = database
        self._experiment = experiment
        self._loaded: OrderedDict[int, LearnedPolicy | PolicyError] = OrderedDict()

    def get(self, version: int) -> LearnedPolicy:
        """A version's policy.

        Raises:
            PolicyError: it is missing, altered or cannot be loaded.
        """
        if version not in self._loaded:
            self._loaded[version] = self._load(version)
            if len(self._loaded) > _MODELS_HELD:
                _, oldest = self._loaded.popitem(last=False)
                if isinstance(oldest, LearnedPolicy):
                    oldest.model.close()
        found = self._loaded[version]
        if isinstance(found, PolicyError):
            raise found
        return found

    def close(self) -> None:
        """Let every loaded version go."""
        for loaded in self._loaded.values():
            if isinstance(loaded, LearnedPolicy):
                loaded.model.close()
        self._loaded.clear()

    def _load(self, version: int) -> LearnedPolicy | PolicyError:
        with self._database.read() as connection:
            stored = model_blob(connection, self._experiment, version)
        if stored is None:
            return PolicyError(f"model version {version} is not stored")
        if blob_hash(stored[0]) != stored[1]:
            return PolicyError(f"model version {version} does not have its hash")
        try:
            return LearnedPolicy.load(stored[0])
        except PolicyError as error:
            return error


def _mismatch(
    decision: Decision,
    secret: bytes,
    specs: dict[int, tuple[ExperimentSpec, FeatureText]],
    models: _Models,
) -> str | None:
    """What about a decision does not follow from what is recorded with it, or None."""
    if not is_genuine(secret, decision.decision_id):
        return "its id was never issued by this deployment"
    if not _is_named_by_its_request(decision, secret):
        return "its id does not match its request key"
    if decision.seed != draw_seed(secret, decision.experiment, decision.decision_id):
        return "the seed is not the one its id leads to"
    if decision.revision not in specs:
        return f"revision {decision.revision} is not stored"
    spec, text = specs[decision.revision]
    if decision.expires_at - decision.decided_at != spec.reward.window:
        return "its reward window is another one"
    return (
        _assignment_mismatch(decision, secret, spec)
        or _eligibility_mismatch(decision, spec)
        or _draw_mismatch(decision, _expected_pmf(decision, spec, text, models))
    )


def _is_named_by_its_request(decision: Decision, secret: bytes) -> bool:
    """Whether the id follows from request key, unit and caller, where the request had a key."""
    request = decision.request_key
    if request is None or len(request) != _REQUEST_LENGTH:
        return True
    asker = None if decision.trusted else decision.unit
    return decision.decision_id == decision_id_for(secret, decision.experiment, request, asker)


def _assignment_mismatch(decision: Decision, secret: bytes, spec: ExperimentSpec) -> str | None:
    if decision.reason not in {Reason.HOLDOUT, Reason.POLICY, Reason.UNIFORM}:
        return None
    held_out = in_holdout(secret, spec.key, decision.unit, spec.holdout.share)
    if held_out != (decision.reason is Reason.HOLDOUT):
        return f"the unit is {'in' if held_out else 'not in'} the holdout"
    return None


def _eligibility_mismatch(decision: Decision, spec: ExperimentSpec) -> str | None:
    if decision.reason not in {Reason.POLICY, Reason.UNIFORM}:
        only_nothing = decision.eligible == (NOTHING,) and not decision.excluded
        return None if only_nothing else "only nothing can have been eligible"
    not_asked = _out_for(decision, ExclusionCode.NOT_REQUESTED)
    expected = eligible_arms(
        spec,
        decision.context,
        decision.decided_at,
        only=[arm.key for arm in spec.arms if arm.key not in not_asked] if not_asked else None,
        without=_out_for(decision, ExclusionCode.EXCLUDED_BY_REQUEST),
    )
    if expected.arms != decision.eligible:
        return "other arms were eligible in this context"
    if expected.excluded != decision.excluded:
        return "arms were out for other reasons"
    return None


def _out_for(decision: Decision, code: ExclusionCode) -> list[str]:
    return [arm for arm, why in decision.excluded.items() if why.code is code]


def _expected_pmf(
    decision: Decision, spec: ExperimentSpec, text: FeatureText, models: _Models
) -> tuple[float, ...]:
    if decision.reason is not Reason.POLICY:
        if decision.model_version is not None:
            raise PolicyError("a model version is recorded, and no model decided")
        return spec.policy.untrained(decision.eligible)
    if decision.model_version is None:
        raise PolicyError("no model version is recorded")
    policy = models.get(decision.model_version)
    lines = text.lines(decision.context, decision.eligible)
    explorer = policy.explorer_under(spec.policy, spec)
    return policy.pmf(lines, explorer, decision.eligible.index(NOTHING))


def _draw_mismatch(decision: Decision, pmf: tuple[float, ...]) -> str | None:
    if pmf != decision.pmf:
        return "the distribution is another one"
    position = draw(pmf, decision.seed)
    if decision.eligible[position] != decision.arm:
        return "the seed draws another arm"
    if decision.propensity != pmf[position]:
        return "the propensity is not the arm's probability"
    return None
