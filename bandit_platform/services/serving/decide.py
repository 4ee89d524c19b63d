"""Answering a shop: which arm to show. Never waits for the database, never fails loudly."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog

from bandit_platform.domain.assignment import draw
from bandit_platform.domain.caller import Caller
from bandit_platform.domain.context import Context, validate_context
from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.eligibility import Eligibility, eligible_arms
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.identity import (
    DecisionHashes,
    address_pseudonym,
    belongs_to,
    decision_id_for,
    is_genuine,
    page_pseudonym,
    request_hash,
    session_pseudonym,
)
from bandit_platform.domain.keyed_hash import keyed_hash
from bandit_platform.domain.lifecycle import State
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.record import record
from bandit_platform.domain.request_arms import ArmList
from bandit_platform.errors import ConflictError, InputError, JournalError
from bandit_platform.journal.records import RequestConflict, conflict_line, decision_line
from bandit_platform.journal.requests import Claim, SharedRequests
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.logs import SeldomLog
from bandit_platform.policies.mixture import mixture
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.services.serving.query import Answer, Query
from bandit_platform.services.serving.registry import LiveExperiment, Registry

_seldom = SeldomLog(structlog.get_logger(__name__))
_REMEMBERED = 20_000
_NO_OFFER: Mapping[str, Any] = {}
_NOT_RUNNING = MappingProxyType(
    {
        State.DRAFT: Reason.DRAFT,
        State.PAUSED: Reason.PAUSED,
        State.STOPPED: Reason.STOPPED,
        State.ARCHIVED: Reason.STOPPED,
    }
)


class Decider:
    """Makes decisions from what the registry holds and records each in the journal."""

    def __init__(
        self,
        registry: Registry,
        journal: JournalWriter,
        secret: bytes,
        clock: Callable[[], datetime],
        stored: Callable[[str], Decision | None],
        *,
        limits: PageLimits | None = None,
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._secret = secret
        self._clock = clock
        self._stored = stored
        self._limits = limits
        self._requests = SharedRequests(journal.folder)
        self._remembered: OrderedDict[str, Decision] = OrderedDict()
        self._hashes: dict[str, DecisionHashes] = {}

    def decide(self, key: str, query: Query) -> Answer:
        """One decision.

        Raises:
            NotFoundError: there is no experiment of that key.
            ContextError: the context does not fit the declared schema.
            InputError: an arm was named that no revision ever had, or the request brought arms
                that it may not bring.
            ConflictError: the request key was used before with another body.
        """
        live = self._registry.get(key)
        asked = query
        if not live.spec.request.strict:
            query = _adapted(live.spec, query)
        unit = self._hashes_of(key).pseudonym(query.unit_id)
        if query.request_key is None:
            return self._answer(live, query, self._make(live, query, unit, None))
        named = self._named(live, query, unit)
        known = self._remembered.get(named.decision_id)
        if known is None:
            with self._requests.claim(named.decision_id) as claim:
                known = claim.find() or self._stored(named.decision_id)
                if known is None:
                    return self._answer(live, query, self._make(live, query, unit, named), claim)
        if known.body_hash != named.body_hash and not self._asked_the_same(live, asked, known):
            raise ConflictError("this request key was used before with another body")
        return Answer(decision=known, offer=_offer(live, query, known.arm), new=False)

    def _asked_the_same(self, live: LiveExperiment, query: Query, known: Decision) -> bool:
        """Whether a query asks what a decision was made for, as its revision read it."""
        spec = live.specs.get(known.revision)
        return (
            known.revision != live.revision
            and spec is not None
            and known.body_hash == self._body_hash(_adapted(spec, query))
        )

    def record_conflict(self, experiment: str, caller: Caller) -> None:
        """Record that a request was refused because of what its request key was used for before.

        Trouble with the journal is logged and changes nothing for the caller.
        """
        conflict = RequestConflict(
            experiment=experiment, trusted=caller.trusted, refused_at=self._clock()
        )
        try:
            self._journal.append(conflict_line(conflict))
        except JournalError as error:
            _seldom.error("conflict not recorded", error=str(error))

    def spec(self, key: str) -> ExperimentSpec:
        """The experiment in force under a key; errors as :meth:`Registry.get`."""
        return self._registry.get(key).spec

    def takes_arms(self, key: str) -> bool:
        """Whether requests may bring arms to an experiment; False where there is none."""
        return key in self._registry.taking_arms

    def is_lenient(self, decision_id: object, experiment: object) -> bool:
        """Whether an experiment is lenient, found by the id of a decision, or else by its name."""
        lenient = self._registry.lenient
        if decision_id is None:
            return isinstance(experiment, str) and experiment in lenient
        return (
            bool(lenient)
            and isinstance(decision_id, str)
            and is_genuine(self._secret, decision_id)
            and belongs_to(self._secret, decision_id, lenient)
        )

    def _named(self, live: LiveExperiment, query: Query, unit: str) -> _Named:
        """What the request key of a query leads to."""
        experiment = live.spec.key
        request = request_hash(self._secret, experiment, query.request_key or "")
        asker = None if query.caller.trusted else unit
        return _Named(
            request=request,
            decision_id=decision_id_for(self._secret, experiment, request, asker),
            body_hash=self._body_hash(query),
        )

    def _answer(
        self, live: LiveExperiment, query: Query, decision: Decision, claim: Claim | None = None
    ) -> Answer:
        try:
            self._journal.append(
                decision_line(decision), claim.note if claim else None, decision.request_arms
            )
        except JournalError as error:
            _seldom.error("decision not recorded", error=str(error))
            decision = _fallback(decision)
        else:
            # one with a hundred arms takes ten times the memory, and the journal has it too
            if decision.request_key is not None and decision.request_arms is None:
                self._remember(decision)
        return Answer(decision=decision, offer=_offer(live, query, decision.arm), new=True)

    def _make(
        self,
        live: LiveExperiment,
        query: Query,
        unit: str,
        named: _Named | None,
    ) -> Decision:
        spec = live.spec
        context = validate_context(spec.context, query.context)
        arms = _request_arms(live, query)
        _demand_known_arms(live, query, arms)
        now = self._clock()
        hashes = self._hashes_of(spec.key)
        caller = query.caller
        over_limit = (
            not caller.trusted
            and self._limits is not None
            and self._limits.over(spec.key, unit, caller.address)
        )
        identity = hashes.new_decision_id(now) if named is None else named.decision_id
        seed = hashes.draw_seed(identity)
        choice = self._choose(live, query, context, unit, now, arms=arms)
        position = draw(choice.pmf, seed)
        return Decision(
            decision_id=identity,
            experiment=spec.key,
            revision=live.revision,
            unit=unit,
            decided_at=now,
            expires_at=now + spec.reward.window,
            reason=choice.reason,
            context=context,
            draws=(
                Draw(
                    arm=choice.eligible.arms[position],
                    propensity=choice.pmf[position],
                    eligible=choice.eligible.arms,
                    pmf=choice.pmf,
                    seed=seed,
                    exclusions=choice.eligible.excluded or None,
                    arms_hash=None if choice.arms is None else choice.arms.hash,
                    arms=choice.arms,
                ),
            ),
            deployment=None if live.deployment is None else live.deployment.number,
            model_versions=choice.model_versions,
            deferred=query.defer_activation,
            request_key=None if named is None else named.request,
            body_hash=None if named is None else named.body_hash,
            key_id=caller.key_id,
            trusted=caller.trusted,
            address=(
                None if caller.address is None else address_pseudonym(self._secret, caller.address)
            ),
            over_limit=over_limit,
            session_id=(
                None
                if query.session_id is None
                else session_pseudonym(self._secret, query.session_id)
            ),
            baseline_arms=query.baseline_arms,
            page_id=None if query.page_id is None else page_pseudonym(self._secret, query.page_id),
            dropped_fields=query.dropped_fields,
        )

    def _choose(
        self,
        live: LiveExperiment,
        query: Query,
        context: Context,
        unit: str,
        now: datetime,
        *,
        arms: ArmList | None,
    ) -> _Choice:
        spec = live.spec
        if live.state is not State.RUNNING:
            return _only_nothing(_NOT_RUNNING[live.state])
        if self._hashes_of(spec.key).in_holdout(unit, spec.holdout.share):
            return _only_nothing(Reason.HOLDOUT)
        eligible = eligible_arms(
            spec, context, now, only=query.eligible_arms, without=query.excluded_arms, arms=arms
        )
        champion = live.champion
        if champion is None:
            pmf = spec.policy.untrained(eligible.arms, live.champion_definition)
            return _Choice(reason=Reason.UNIFORM, eligible=eligible, pmf=pmf, arms=arms)
        try:
            lines = live.text.lines(context, eligible.arms, arms)
            nothing = eligible.arms.index(NOTHING)
            pmf = champion.pmf(lines, nothing)
        except Exception as error:  # noqa: BLE001 - whatever a model does, the shop gets an answer
            _seldom.error("policy failed", spec.key, experiment=spec.key, exc_info=error)
            return _only_nothing(Reason.FALLBACK)
        challenger = live.challenger
        versions: tuple[int, ...] = (champion.version,)
        if challenger is not None:
            try:
                pmf = mixture(pmf, challenger.pmf(lines, nothing), live.share)
                versions = (champion.version, challenger.version)
            except Exception as error:  # noqa: BLE001 - then the champion serves alone
                _seldom.error("challenger failed", spec.key, experiment=spec.key, exc_info=error)
        return _Choice(
            reason=Reason.POLICY, eligible=eligible, pmf=pmf, model_versions=versions, arms=arms
        )

    def _hashes_of(self, experiment: str) -> DecisionHashes:
        known = self._hashes.get(experiment)
        if known is None:
            known = self._hashes[experiment] = DecisionHashes(self._secret, experiment)
        return known

    def _remember(self, decision: Decision) -> None:
        self._remembered[decision.decision_id] = decision
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _body_hash(self, query: Query) -> str:
        """A hash that requests share which ask the same, however they spell it."""
        eligible = query.eligible_arms
        context = {name: _canonical(it) for name, it in query.context.items() if it is not None}
        asked: list[Any] = [
            query.unit_id,
            context,
            None if eligible is None else sorted(set(eligible)),
            sorted(set(query.excluded_arms)),
            query.defer_activation,
        ]
        if query.arms is not None:
            asked.append(query.arms.fingerprint)
        if query.baseline_arms:
            asked.append({"baseline_arms": query.baseline_arms})
        body = json.dumps(asked, sort_keys=True)
        return keyed_hash(self._secret, b"request-body", body).hex()


@record
class _Named:
    """The decision that a request key leads to."""

    #: hash of the request key
    request: str
    decision_id: str
    body_hash: str


@record
class _Choice:
    reason: Reason
    eligible: Eligibility
    pmf: tuple[float, ...]
    #: model versions that gave the distribution: the champion's, then the challenger's
    model_versions: tuple[int, ...] = ()
    #: the arms it chose among, if they came with the request
    arms: ArmList | None = None


def _only_nothing(reason: Reason) -> _Choice:
    return _Choice(reason=reason, eligible=Eligibility(arms=(NOTHING,), excluded={}), pmf=(1.0,))


def _fallback(decision: Decision) -> Decision:
    """The answer when a decision could not be recorded: nothing, in no estimate."""
    return replace(
        decision,
        reason=Reason.FALLBACK,
        draws=(
            Draw(arm=NOTHING, propensity=1.0, eligible=(NOTHING,), pmf=(1.0,), seed=decision.seed),
        ),
        deployment=None,
        model_versions=(),
    )


def _adapted(spec: ExperimentSpec, query: Query) -> Query:
    """A query as the experiment's request rules read it."""
    context, dropped = spec.request.adapted(spec.context, query.context)
    return replace(query, context=context, dropped_fields=dropped)


def _canonical(value: Any) -> Any:
    """Equal values alike: 1 as 1.0, -0.0 as 0.0, and a list of texts sorted, each once."""
    if isinstance(value, list | tuple):
        return sorted(set(value)) if all(isinstance(item, str) for item in value) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return float(value) + 0.0
    except OverflowError:  # too large for any schema; refused where it is validated
        return value


def _offer(live: LiveExperiment, query: Query, arm: str) -> Mapping[str, Any] | None:
    """The offer of an arm: the request's, else the file's, else an empty one."""
    if query.arms is not None and arm != NOTHING:
        offer = query.arms.offers.get(arm)
        return offer if offer is not None else live.offers.get(arm, _NO_OFFER)
    return live.offers.get(arm)


def _request_arms(live: LiveExperiment, query: Query) -> ArmList | None:
    """The request's arms, with those of the file; None where it brought none."""
    if query.arms is None:
        return None
    if not live.spec.takes_arms:
        raise InputError(
            "the request has arms, and this experiment takes its arms from its file: set "
            'arms_from = "request" there'
        )
    return live.merger.merged(query.arms)


def _demand_known_arms(live: LiveExperiment, query: Query, arms: ArmList | None) -> None:
    if query.eligible_arms is None and not query.excluded_arms and not query.baseline_arms:
        return
    named = (*(query.eligible_arms or ()), *query.excluded_arms, *query.baseline_arms)
    brought = () if arms is None else arms.by_key
    unknown = sum(1 for arm in named if arm not in live.offers and arm not in brought)
    if unknown:
        those = "arm that" if unknown == 1 else "arms that"
        raise InputError(f"the request names {unknown} {those} this experiment never had")
