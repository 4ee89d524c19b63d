"""Recomputing what was logged: the same distribution, bit for bit, and the same draw.

For each decision the audit takes the stored revision, context, eligible arms, model version and
seed, and computes again who was eligible, how likely each arm was, and which one the seed draws.
Whatever differs was changed after the fact, or decided by something else than was recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bandit_platform.domain.assignment import draw, draw_seed, in_holdout
from bandit_platform.domain.decision import Decision, Reason
from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import ExclusionCode
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.identity import decision_id_for, is_genuine
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.errors import BanditPlatformError, PolicyError, StorageError
from bandit_platform.policies.arguments import model_hash
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.mixture import mixture
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import DecisionRows, decision_rows, readable
from bandit_platform.storage.deployments import StoredPolicy, deployments, stored_policies
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.models import model_blob, model_version

_BATCH = 5000
_MODELS_HELD = 8


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
        self._known = self._read()

    def mismatch(self, decision: Decision) -> str | None:
        """What about a decision does not follow from what is recorded with it, or None."""
        if not self._known.has(decision):
            self._known = self._read()
        try:
            return _mismatch(decision, self._secret, self._known, self._models)
        except StorageError:
            raise
        except BanditPlatformError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever stands in a row, the others are looked at
            return f"it cannot be recomputed: {type(error).__name__}"

    def close(self) -> None:
        """Let the loaded models go."""
        self._models.close()

    def _read(self) -> _Known:
        with self._database.read() as connection:
            get_experiment(connection, self._experiment)
            return _Known(
                specs={
                    each.number: (each.spec, FeatureText(each.spec))
                    for each in revisions(connection, self._experiment)
                },
                deployments={
                    each.number: each for each in deployments(connection, self._experiment)
                },
                policies=stored_policies(connection, self._experiment),
            )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Revisions, deployments and policies of an experiment."""

    specs: Mapping[int, tuple[ExperimentSpec, FeatureText]]
    deployments: Mapping[int, Deployment]
    policies: Mapping[str, StoredPolicy]

    def has(self, decision: Decision) -> bool:
        """Whether revision and deployment of a decision are known."""
        number = decision.deployment
        return decision.revision in self.specs and (number is None or number in self.deployments)


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
        self._loaded: OrderedDict[int, TrainedModel | PolicyError] = OrderedDict()
        self._hashes: dict[int, str] = {}

    def get(self, version: int) -> TrainedModel:
        """A version's model.

        Raises:
            PolicyError: it is missing, altered or cannot be loaded.
        """
        if version not in self._loaded:
            self._loaded[version] = self._load(version)
            if len(self._loaded) > _MODELS_HELD:
                _, oldest = self._loaded.popitem(last=False)
                if isinstance(oldest, TrainedModel):
                    oldest.close()
        found = self._loaded[version]
        if isinstance(found, PolicyError):
            raise found
        return found

    def hash_of(self, version: int) -> str:
        """The hash of a version's model.

        Raises:
            PolicyError: it is missing.
        """
        if version not in self._hashes:
            with self._database.read() as connection:
                found = model_version(connection, self._experiment, version)
            if found is None:
                raise PolicyError(f"model version {version} is not stored")
            self._hashes[version] = found.model_hash
        return self._hashes[version]

    def close(self) -> None:
        """Let every loaded version go."""
        for loaded in self._loaded.values():
            if isinstance(loaded, TrainedModel):
                loaded.close()
        self._loaded.clear()

    def _load(self, version: int) -> TrainedModel | PolicyError:
        with self._database.read() as connection:
            stored = model_blob(connection, self._experiment, version)
        if stored is None:
            return PolicyError(f"model version {version} is not stored")
        if blob_hash(stored[0]) != stored[1]:
            return PolicyError(f"model version {version} does not have its hash")
        try:
            return TrainedModel.load(stored[0])
        except PolicyError as error:
            return error


def _mismatch(
    decision: Decision,
    secret: bytes,
    known: _Known,
    models: _Models,
) -> str | None:
    """What about a decision does not follow from what is recorded with it, or None."""
    if not is_genuine(secret, decision.decision_id):
        return "its id was never issued by this deployment"
    if not _is_named_by_its_request(decision, secret):
        return "its id does not match its request key"
    if decision.seed != draw_seed(secret, decision.experiment, decision.decision_id):
        return "the seed is not the one its id leads to"
    if decision.revision not in known.specs:
        return f"revision {decision.revision} is not stored"
    spec, _ = known.specs[decision.revision]
    if decision.expires_at - decision.decided_at != spec.reward.window:
        return "its reward window is another one"
    return (
        _assignment_mismatch(decision, secret, spec)
        or _eligibility_mismatch(decision, spec)
        or _draw_mismatch(decision, _expected_pmf(decision, known, models))
    )


def _is_named_by_its_request(decision: Decision, secret: bytes) -> bool:
    """Whether the id follows from request key, unit and caller, where the request had a key."""
    request = decision.request_key
    if request is None:
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
    arms = decision.request_arms
    if arms is None and decision.draws[0].arms_hash is not None:
        return "the arms of its request are not stored"
    if arms is not None and arms.hash != decision.draws[0].arms_hash:
        return "the arms of its request were changed"
    keys = [arm.key for arm in spec.arms] if arms is None else arms.keys
    not_asked = _out_for(decision, ExclusionCode.NOT_REQUESTED)
    expected = eligible_arms(
        spec,
        decision.context,
        decision.decided_at,
        only=set(keys) - not_asked if not_asked else None,
        without=_out_for(decision, ExclusionCode.EXCLUDED_BY_REQUEST),
        arms=arms,
    )
    if expected.arms != decision.eligible:
        return "other arms were eligible in this context"
    if expected.excluded != decision.excluded:
        return "arms were out for other reasons"
    return None


def _out_for(decision: Decision, code: ExclusionCode) -> set[str]:
    return {arm for arm, why in decision.excluded.items() if why.code is code}


def _expected_pmf(decision: Decision, known: _Known, models: _Models) -> tuple[float, ...]:
    """The distribution that the decision's deployment gives with the versions it names.

    Raises:
        PolicyError: what is recorded cannot have given any distribution.
    """
    versions = decision.model_versions
    spec, text = known.specs[decision.revision]
    deployment = known.deployments.get(decision.deployment or 0)
    if decision.reason is not Reason.POLICY:
        if versions:
            raise PolicyError("a model version is recorded, and no model decided")
        champion = None if deployment is None else known.policies[deployment.champion].definition
        return spec.policy.untrained(decision.eligible, champion)
    if not versions:
        raise PolicyError("no model version is recorded")
    if deployment is None:
        raise PolicyError(f"deployment {decision.deployment} is not stored")
    if len(versions) > len(deployment.roles):
        raise PolicyError("more model versions are recorded than policies served")
    lines = text.lines(decision.context, decision.eligible, decision.request_arms)
    pmfs = []
    for version, (policy, pinned) in zip(versions, deployment.roles, strict=False):
        if pinned is not None and version > pinned:  # an older one serves where it is damaged
            raise PolicyError(f"model version {version} is recorded, and {pinned} was pinned")
        definition = known.policies[policy].definition
        if models.hash_of(version) != model_hash(definition):
            raise PolicyError(f"model version {version} is of another model than the policy's")
        learned = LearnedPolicy(models.get(version), definition)
        explorer = explorer_for(definition, spec)
        pmfs.append(learned.pmf(lines, explorer, decision.eligible.index(NOTHING)))
    return pmfs[0] if len(pmfs) == 1 else mixture(pmfs[0], pmfs[1], deployment.share)


def _draw_mismatch(decision: Decision, pmf: tuple[float, ...]) -> str | None:
    if pmf != decision.pmf:
        return "the distribution is another one"
    position = draw(pmf, decision.seed)
    if decision.eligible[position] != decision.arm:
        return "the seed draws another arm"
    if decision.propensity != pmf[position]:
        return "the propensity is not the arm's probability"
    return None
