"""What a serving process knows: experiments and models in memory, renewed in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event, Thread
from typing import Any

import structlog

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import (
    NotFoundError,
    PolicyError,
    SecretError,
    StorageError,
    UnavailableError,
)
from bandit_platform.logs import SeldomLog
from bandit_platform.policies.arguments import policy_hash
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.serving.key_ring import KeyRing
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import experiment_heads, revisions
from bandit_platform.storage.keys import all_keys, put_last_uses
from bandit_platform.storage.models import model_blob, newest_versions, versions_before

#: seconds between notes in the database of when keys were used
_USES_SECONDS = 30.0
#: older model versions that are tried when the newest is damaged
_FALLBACKS = 20

_log = structlog.get_logger(__name__)
_seldom = SeldomLog(_log)


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
    #: how the served policy makes probabilities of the model's scores
    explorer: Explorer
    #: the model in use; None means uniform
    policy: LearnedPolicy | None
    model_version: int | None


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
            versions = newest_versions(connection)
            live: dict[str, LiveExperiment] = {}
            unread: dict[str, str] = {}
            for key, (state, revision) in heads.items():
                known = self._live.get(key)
                try:
                    current = _renewed(connection, known, key, state, revision)
                    live[key] = self._with_model(connection, current, versions.get(key))
                except StorageError:
                    raise
                except Exception as error:  # noqa: BLE001 - one must not hold up the others
                    unread[key] = f"{type(error).__name__}: {error}"
                    if known is not None:
                        live[key] = replace(known, state=state)
        self._note_unread(unread)
        self._live = live
        self.lenient = frozenset(key for key, each in live.items() if each.spec.request.lenient)
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

    def _with_model(
        self, connection: Any, live: LiveExperiment, newest: tuple[int, str] | None
    ) -> LiveExperiment:
        """With the newest model that is whole; while one is in use, an older one is no choice."""
        wanted = newest is not None and live.spec.policy.mode in {"learning", "frozen"}
        if not wanted or newest is None or newest[1] != policy_hash(live.spec.policy):
            self._forget_damage(live.spec.key)
            return replace(live, policy=None, model_version=None) if live.policy else live
        if live.model_version == newest[0]:
            return live
        version, kind = newest
        candidates = [version]
        if live.policy is None:
            candidates += versions_before(connection, live.spec.key, version, kind, _FALLBACKS)
        for candidate in candidates:
            try:
                policy = _verified(model_blob(connection, live.spec.key, candidate))
            except PolicyError as error:
                self._note_damage(live.spec.key, candidate, version, str(error))
                continue
            if candidate == version:
                self._forget_damage(live.spec.key)
            return replace(live, policy=policy, model_version=candidate)
        return live

    def _note_damage(self, key: str, version: int, newest: int, why: str) -> None:
        if (key, version) not in self._told:
            self._told.add((key, version))
            _log.error("model refused", experiment=key, version=version, error=why)
        self.damaged = {**self.damaged, key: newest}

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
    connection: Any, known: LiveExperiment | None, key: str, state: State, revision: int
) -> LiveExperiment:
    if known is not None and known.revision == revision:
        return known if known.state is state else replace(known, state=state)
    stored = revisions(connection, key)
    offers: dict[str, Mapping[str, Any] | None] = {"nothing": None}
    for each in stored:
        offers.update({arm.key: arm.offer for arm in each.spec.arms})
    spec = stored[-1].spec
    same_model = known is not None and policy_hash(known.spec.policy) == policy_hash(spec.policy)
    return LiveExperiment(
        spec=spec,
        state=state,
        revision=stored[-1].number,
        text=FeatureText(spec),
        explorer=explorer_for(spec.policy, spec),
        specs={each.number: each.spec for each in stored},
        offers=offers,
        policy=known.policy if known is not None and same_model else None,
        model_version=known.model_version if known is not None and same_model else None,
    )


def _verified(stored: tuple[bytes, str] | None) -> LearnedPolicy:
    if stored is None or blob_hash(stored[0]) != stored[1]:
        raise PolicyError("the stored model does not have its hash")
    return LearnedPolicy.load(stored[0])
