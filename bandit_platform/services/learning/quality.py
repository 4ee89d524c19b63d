"""Do the logged propensities agree with what was drawn? Tests that go on running with the data.

The worker feeds them every interaction of the policy traffic, in order, in the transaction that
also moves the logging policy's cursor. Both hold at every look.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.request_arms import MOST_REPORTED, OTHER
from bandit_platform.ope.checks.calibration import ArmCalibration
from bandit_platform.ope.checks.sample_ratio import SampleRatio
from bandit_platform.ope.sequences.stream import Stream
from bandit_platform.storage.interactions import Interaction

ALPHA = 0.01
_HORIZON = 20_000


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The state of an experiment's data-quality tests."""

    #: in the order they were first eligible
    arms: tuple[str, ...]
    ratio: SampleRatio
    calibration: ArmCalibration

    @classmethod
    def empty(cls) -> Quality:
        """Before the first interaction."""
        calibration = ArmCalibration.empty(arms=(), horizon=_HORIZON, alpha=ALPHA)
        return cls(arms=(), ratio=SampleRatio.empty(0), calibration=calibration)

    def updated(self, batch: Sequence[Interaction]) -> Quality:
        """The state after more interactions."""
        wider = self._widened(self._named_with(batch))
        place = {arm: number for number, arm in enumerate(wider.arms)}
        pmf = np.zeros((len(batch), len(place)))
        drawn = np.empty(len(batch), dtype=np.int64)
        alike: dict[tuple[str, ...], tuple[list[int], list[tuple[float, ...]]]] = {}
        for row, interaction in enumerate(batch):
            decision = interaction.decision
            draw = decision.draws[0]
            if draw.arms_hash is None:
                rows, pmfs = alike.setdefault(draw.eligible, ([], []))
                rows.append(row)
                pmfs.append(draw.pmf)
                drawn[row] = place[draw.arm]
                continue
            other = place.get(OTHER, -1)
            columns = [place.get(arm, other) for arm in decision.eligible]
            np.add.at(pmf[row], columns, decision.pmf)
            drawn[row] = place.get(decision.arm, other)
        for eligible, (rows, pmfs) in alike.items():
            pmf[np.ix_(rows, [place[arm] for arm in eligible])] = pmfs
        return replace(
            wider,
            ratio=wider.ratio.updated(drawn, pmf),
            calibration=wider.calibration.updated(drawn, pmf),
        )

    def _named_with(self, batch: Sequence[Interaction]) -> tuple[str, ...]:
        """The arms that are tested, with those of a batch.

        Those that came with requests are tested together once 200 arms have names.
        """
        seen = dict.fromkeys(self.arms)
        for interaction in batch:
            decision = interaction.decision
            if decision.draws[0].arms_hash is None:
                seen.update(dict.fromkeys(decision.eligible))
                continue
            for arm in decision.eligible:
                if arm not in seen:
                    seen[arm if len(seen) < MOST_REPORTED or arm == NOTHING else OTHER] = None
        return tuple(seen)

    def alarm(self) -> bool:
        """Rows of some arm are missing or doubled, beyond chance."""
        return self.ratio.alarm(ALPHA)

    def miscalibrated(self) -> tuple[str, ...]:
        """Arms drawn more or less often than their propensities permit."""
        return self.calibration.failed()

    def _widened(self, arms: tuple[str, ...]) -> Quality:
        """With room for arms that were never eligible before; they were never drawn either."""
        more = len(arms) - len(self.arms)
        if not more:
            return self
        return Quality(
            arms=arms,
            ratio=replace(
                self.ratio,
                counts=np.append(self.ratio.counts, np.zeros(more)),
                expected=np.append(self.ratio.expected, np.zeros(more)),
            ),
            calibration=replace(
                self.calibration,
                arms=arms,
                streams=(*self.calibration.streams, *[Stream(n=self.ratio.n)] * more),
            ),
        )

    def to_json(self) -> str:
        """The state as text; :meth:`from_json` reads it back."""
        ratio = {
            **asdict(self.ratio),
            "counts": self.ratio.counts.tolist(),
            "expected": self.ratio.expected.tolist(),
        }
        streams = [asdict(stream) for stream in self.calibration.streams]
        return json.dumps({"arms": self.arms, "ratio": ratio, "streams": streams})

    @classmethod
    def read(cls, text: str) -> Quality | None:
        """The state that a text holds; None where it is damaged."""
        try:
            return cls.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def from_json(cls, text: str) -> Quality:
        """The state that a text holds."""
        data = json.loads(text)
        ratio = data["ratio"]
        arms = tuple(data["arms"])
        return cls(
            arms=arms,
            ratio=SampleRatio(
                counts=np.array(ratio["counts"], dtype=float),
                expected=np.array(ratio["expected"], dtype=float),
                log_e=ratio["log_e"],
                peak=ratio["peak"],
                n=ratio["n"],
            ),
            calibration=ArmCalibration(
                arms=arms,
                horizon=_HORIZON,
                alpha=ALPHA,
                streams=tuple(Stream.from_state(stream) for stream in data["streams"]),
            ),
        )
