"""Compare how well models choose that have tables of weights of different sizes.

    python scripts/bench_bits.py [--worlds 6] [--interactions 12000] [--bits 18 16 15 14 12]

In each simulated world 20 arms are drawn evenly, and the chance of a reward depends on the arm and
the context, with about 9,000 different weights. The figure is what the arms that a model prefers
bring beyond an even draw, as a share of what the best arms bring. A table of 2^bits weights is
smaller, and more features then share a weight.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.vowpal import VowpalModel

ARMS = 20
CHOICES = 2000
LINES = ["|a @nothing", *(f"|a @offer-{n} price:{5 + n} kind=k{n % 4}" for n in range(ARMS - 1))]


class SimulatedShoppers:
    """Contexts, and how likely each arm is to bring a reward in them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._popularity = [self.random.gauss(0, 0.6) for _ in range(ARMS)]
        self._affinity: dict[tuple[str, str, int], float] = {}

    def context(self) -> dict[str, str]:
        """A shopper."""
        draw = self.random
        return {
            "country": f"c{min(int(draw.expovariate(0.12)), 39)}",
            "device": draw.choice("abc"),
            "returning": draw.choice(["true", "false"]),
            "category": f"g{draw.randrange(25)}",
            "brand": f"b{min(int(draw.expovariate(0.06)), 79)}",
        }

    def chance(self, context: dict[str, str], arm: int) -> float:
        """The probability of a reward."""
        score = self._popularity[arm] - 3.0
        for name, value in context.items():
            place = (name, value, arm)
            if place not in self._affinity:
                self._affinity[place] = self.random.gauss(0, 0.5)
            score += self._affinity[place]
        return 1 / (1 + math.exp(-score))


def gain(seed: int, bits: int, interactions: int) -> float:
    """What greedy choices bring beyond an even draw, as a share of the best choices' gain."""
    world = SimulatedShoppers(seed)
    model = VowpalModel.fresh(vowpal_arguments(Exploration(), bits=bits))
    for _ in range(interactions):
        context, arm = world.context(), world.random.randrange(ARMS)
        rewarded = world.random.random() < world.chance(context, arm)
        model.score_and_learn(_lines(context), arm, -float(rewarded))
    chosen = best = 0.0
    for _ in range(CHOICES):
        context = world.context()
        costs = model.predict(_lines(context))
        chances = [world.chance(context, arm) for arm in range(ARMS)]
        even = statistics.fmean(chances)
        chosen += chances[costs.index(min(costs))] - even
        best += max(chances) - even
    return chosen / best


def _lines(context: dict[str, str]) -> list[str]:
    features = " ".join(f"{name}={value}" for name, value in context.items())
    return [f"shared |c {features}", *LINES]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--interactions", type=int, default=12_000)
    parser.add_argument("--bits", type=int, nargs="+", default=[18, 16, 15, 14, 12])
    asked = parser.parse_args()
    first: list[float] = []
    for bits in asked.bits:
        gains = [gain(seed, bits, asked.interactions) for seed in range(asked.worlds)]
        first = first or gains
        error = statistics.stdev([a - b for a, b in zip(gains, first, strict=True)])
        print(
            f"{bits} bits: gain {statistics.fmean(gains):.4f}, against {asked.bits[0]} bits "
            f"{statistics.fmean(gains) - statistics.fmean(first):+.4f} "
            f"(standard error {error / math.sqrt(asked.worlds):.4f})"
        )


if __name__ == "__main__":
    main()
