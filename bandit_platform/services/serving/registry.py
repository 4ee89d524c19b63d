"""What a serving process knows: experiments and models in memory, renewed in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import Any

import structlog

from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.domain.request_arms import ArmsMerger
from bandit_platform.errors import (
    NotFoundError,
    PolicyError,
    SecretError,
    StorageError,
    UnavailableError,
)
from bandit_platform.logs import SeldomLog
from bandit_platform.policies.arguments import model_hash
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.serving.key_ring import KeyRing
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.deployments import (
    newest_deployment,
    newest_numbers,
    stored_policies,
)
from bandit_platform.storage.experiments import experiment_heads, revisions
from bandit_platform.storage.keys import all_keys, put_last_uses
from bandit_platform.storage.models import model_blob, newest_versions, versions_before

#: seconds between notes in the database of when keys were used
_USES_SECONDS = 30.0
#: older model versions that are tried when the newest is damaged
_FALLBACKS = 20

#: (experiment, model) → newest version
Versions = Mapping[tuple[str, str], int]

_log = structlog.get_logger(__name__)
_seldom = SeldomLog(_log)


@dataclass(frozen=True, kw_only=True)
class LoadedPolicy:
    """A policy with the version of its model that serves."""

    #: hash of its model
    model: str
    version: int
    policy: LearnedPolicy
    #: how it makes probabilities of the model's scores
    explorer: Explorer

    def pmf(self, lines: Sequence[str], nothing: int) -> tuple[float, ...]:
        """The probability of each eligible arm; arguments as for :meth:`LearnedPolicy.pmf`."""
        return self.policy.pmf(lines, self.explorer, nothing)


@dataclass(frozen=True, kw_only=True)
class LiveExperiment:
    """Everything that deciding needs, as one immutable value."""

    spec: ExperimentSpec
    state: State
    revision: int
    text: FeatureText
    #: number of each revision → its definition
    specs: Mapping[int, ExperimentSpec]
    #: every arm any revision ever listed, with its newest offer
    offers: Mapping[str, Mapping[str, Any] | None]
    #: joins arms of requests with those of the file
    merger: ArmsMerger
    #: which policies serve; None before a deployment could be read
    deployment: Deployment | None = None
    #: definitions of the policies that serve, by hash
    policies: Mapping[str, Exploration] = field(default_factory=dict)
    #: the champion with the model that it uses; None means uniform
    champion: LoadedPolicy | None = None
    #: the challenger, where it serves
    challenger: LoadedPolicy | None = None

    @property
    def champion_definition(self) -> Exploration | None:
        """The champion as it is defined; None before a deployment could be read."""
        return None if self.deployment is None else self.policies[self.deployment.champion]

    @property
    def share(self) -> float:
        """The challenger's share of every distribution."""
        return 0.0 if self.deployment is None else self.deployment.share


class Registry:
    """The live experiments by key. Readers never wait: a refresh swaps whole values."""

    def __init__(self, database: Database, demand_secret: Callable[[], None] | None = None) -> None:
        """Know nothing yet.

        Args:
            database: of the deployment.
            demand_secret: raises if the database belongs to another secret; asked until it passes,
                before anything is loaded, so nothing is ever decided with another secret.
        """
        self._database = database
        self._demand_secret = demand_secret
        self._live: dict[str, LiveExperiment] = {}
        #: experiments that coerce values (``[request] lenient``)
        self.lenient: frozenset[str] = frozenset()
        #: experiments whose requests may bring arms
        self.taking_arms: frozenset[str] = frozenset()
        #: whether any refresh has succeeded
        self.loaded = False
        self._refreshed = time.monotonic()
        #: why the last refresh failed, for readiness; None when it succeeded
        self.trouble: str | None = "nothing loaded yet"
        #: experiment → why it could not be refreshed; it goes on as it was
        self.unread: Mapping[str, str] = {}
        #: experiment → newest model version, which is damaged; an older one or none decides
        self.damaged: Mapping[str, int] = {}
        self._told: set[tuple[str, int]] = set()
        #: who may ask
        self.keys = KeyRing()
        self._uses_noted = 0.0
        self._stop = Event()

    def get(self, key: str) -> LiveExperiment:
        """A live experiment.

        Raises:
            NotFoundError: there is none of that key.
            UnavailableError: nothing could be loaded yet.
        """
        live = self._live.get(key)
        if live is None:
            if not self.loaded:
                raise UnavailableError("experiments are not loaded yet")
            raise NotFoundError("there is no experiment with this key")
        return live

    def knows(self, key: str) -> bool:
        """Whether there is an experiment of that key; before the first refresh, there may be."""
        return key in self._live or not self.loaded

    def refresh(self) -> None:
        """Look for new revisions, states and model versions.

        Raises:
            StorageError: the database did not answer; what was known stays in use.
            SecretError: it belongs to another secret; nothing is loaded.
        """
        if self._demand_secret is not None:
            self._demand_secret()
            self._demand_secret = None
        with self._database.read() as connection:
            self.keys.replace(all_keys(connection))  # a revocation waits for no experiment
            heads = experiment_heads(connection)
            numbers = newest_numbers(connection)
            versions = newest_versions(connection)
            live: dict[str, LiveExperiment] = {}
            unread: dict[str, str] = {}
            for key, (state, revision) in heads.items():
                known = self._live.get(key)
                try:
                    current = _renewed(connection, known, key, state, revision)
                    current = _deployed(connection, current, numbers.get(key))
                    live[key] = self._with_models(connection, current, versions)
                except StorageError:
                    raise
                except Exception as error:  # noqa: BLE001 - one must not hold up the others
                    unread[key] = f"{type(error).__name__}: {error}"
                    if known is not None:
                        live[key] = replace(known, state=state)
        self._note_unread(unread)
        self._live = live
        self.lenient = frozenset(key for key, each in live.items() if each.spec.request.lenient)
        self.taking_arms = frozenset(key for key, each in live.items() if each.spec.takes_arms)
        self.loaded = True
        self._refreshed = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last refresh that succeeded."""
        return time.monotonic() - self._refreshed

    def keep_fresh(self, seconds: float) -> None:
        """Refresh in a background thread until :meth:`close`."""

        def run() -> None:
            while not self._stop.wait(seconds):
                try:
                    self.refresh()
                    if time.monotonic() - self._uses_noted >= _USES_SECONDS:
                        self.note_uses()
                except Exception as error:  # noqa: BLE001 - the thread must outlive any trouble
                    self.note_trouble(error)

        Thread(target=run, name="registry-refresh", daemon=True).start()

    def note_trouble(self, error: Exception) -> None:
        """Say that a refresh failed: why in the log, and to strangers only that it did."""
        self.trouble = (
            "the database was created with a different secret"
            if isinstance(error, SecretError)
            else "experiments could not be refreshed; the log of this process says why"
        )
        _seldom.warning("refresh failed", error=f"{type(error).__name__}: {error}")

    def _note_unread(self, unread: Mapping[str, str]) -> None:
        """Log what could not be read, once, and warn of it as long as that is so."""
        for key, why in unread.items():
            if self.unread.get(key) != why:
                _log.error("experiment not refreshed", experiment=key, error=why)
        self.unread = unread
        self.trouble = (
            "an experiment could not be refreshed; the log of this process says which"
            if unread
            else None
        )

    def _with_models(
        self, connection: Connection, live: LiveExperiment, versions: Versions
    ) -> LiveExperiment:
        """With the models of the policies that serve, each version loaded once."""
        deployment = live.deployment
        if deployment is None or live.spec.policy.mode not in {"learning", "frozen"}:
            self._forget_damage(live.spec.key)
            return replace(live, champion=None, challenger=None) if live.champion else live
        loaded = _Loaded(
            {each.version: each.policy.model for each in (live.champion, live.challenger) if each}
        )
        roles = [_serving(connection, live, role, versions, loaded) for role in deployment.roles]
        self._note_damage(live.spec.key, loaded.damage)
        champion = roles[0]
        challenger = roles[1] if len(roles) > 1 and champion is not None else None
        if champion is live.champion and challenger is live.challenger:
            return live
        return replace(live, champion=champion, challenger=challenger)

    def _note_damage(self, key: str, damage: Mapping[int, str]) -> None:
        """Log each damaged version once, and warn of the newest as long as it is refused."""
        if not damage:
            self._forget_damage(key)
            return
        for version, why in damage.items():
            if (key, version) not in self._told:
                self._told.add((key, version))
                _log.error("model refused", experiment=key, version=version, error=why)
        self.damaged = {**self.damaged, key: max(damage)}

    def _forget_damage(self, key: str) -> None:
        if key in self.damaged:
            self.damaged = {k: version for k, version in self.damaged.items() if k != key}
            self._told = {(k, version) for k, version in self._told if k != key}

    def note_uses(self) -> None:
        """Say in the database when keys were last used.

        Raises:
            StorageError: the database did not answer.
        """
        self._uses_noted = time.monotonic()
        if uses := self.keys.take_uses():
            with self._database.write() as connection:
                put_last_uses(connection, uses)

    def close(self) -> None:
        """Stop refreshing."""
        self._stop.set()


def _renewed(
    connection: Connection, known: LiveExperiment | None, key: str, state: State, revision: int
) -> LiveExperiment:
    if known is not None and known.revision == revision:
        return known if known.state is state else replace(known, state=state)
    stored = revisions(connection, key)
    offers: dict[str, Mapping[str, Any] | None] = {"nothing": None}
    for each in stored:
        offers.update({arm.key: arm.offer for arm in each.spec.arms})
    spec = stored[-1].spec
    return LiveExperiment(
        spec=spec,
        state=state,
        revision=stored[-1].number,
        text=FeatureText(spec),
        merger=ArmsMerger({arm.key: arm.features for arm in spec.arms}),
        specs={each.number: each.spec for each in stored},
        offers=offers,
        deployment=known.deployment if known is not None else None,
        policies=known.policies if known is not None else {},
        champion=_under(spec, known.champion) if known is not None else None,
        challenger=_under(spec, known.challenger) if known is not None else None,
    )


def _under(spec: ExperimentSpec, serving: LoadedPolicy | None) -> LoadedPolicy | None:
    """A policy that serves, as it explores under another revision."""
    if serving is None:
        return None
    return replace(serving, explorer=explorer_for(serving.policy.exploration, spec))


@dataclass(frozen=True)
class _Loaded:
    """The model versions of an experiment that are in memory, and those that are damaged."""

    models: dict[int, TrainedModel]
    damage: dict[int, str] = field(default_factory=dict)


def _serving(
    connection: Connection,
    live: LiveExperiment,
    role: tuple[str, int | None],
    versions: Versions,
    loaded: _Loaded,
) -> LoadedPolicy | None:
    """A policy with its pinned version, or else with its newest one that is whole.

    While a version of its model is in use, an older one is no choice.
    """
    key, (policy, pinned) = live.spec.key, role
    definition = live.policies[policy]
    model = model_hash(definition)
    version = versions.get((key, model)) if pinned is None else pinned
    if version is None:
        return None
    in_use = [each for each in (live.champion, live.challenger) if each]
    known = next((each for each in in_use if each.policy.exploration == definition), None)
    if known is not None and known.version == version:
        return known
    same = next((each for each in in_use if each.model == model), None)
    candidates = [version]
    if same is None or pinned is not None:
        candidates += versions_before(connection, key, version, model, _FALLBACKS)
    for candidate in candidates:
        try:
            found = loaded.models.get(candidate) or _verified(
                model_blob(connection, key, candidate)
            )
        except PolicyError as error:
            loaded.damage[candidate] = str(error)
            continue
        loaded.models[candidate] = found
        return _serving_policy(live.spec, definition, candidate, found)
    if same is None:
        return None
    return known or _serving_policy(live.spec, definition, same.version, same.policy.model)


def _serving_policy(
    spec: ExperimentSpec, definition: Exploration, version: int, model: TrainedModel
) -> LoadedPolicy:
    return LoadedPolicy(
        model=model_hash(definition),
        version=version,
        policy=LearnedPolicy(model, definition),
        explorer=explorer_for(definition, spec),
    )


def _deployed(connection: Connection, live: LiveExperiment, number: int | None) -> LiveExperiment:
    """With the deployment in force and the definitions of its policies."""
    if number is None or (live.deployment is not None and live.deployment.number == number):
        return live
    deployment = newest_deployment(connection, live.spec.key)
    stored = stored_policies(connection, live.spec.key)
    if deployment is None:
        return live
    policies = {policy: stored[policy].definition for policy, _ in deployment.roles}
    return replace(live, deployment=deployment, policies=policies)


def _verified(stored: tuple[bytes, str] | None) -> TrainedModel:
    if stored is None or blob_hash(stored[0]) != stored[1]:
        raise PolicyError("the stored model does not have its hash")
    return TrainedModel.load(stored[0])
