"""Shows how far an attacker with a publishable key changes a policy, with and without limits.

    python scripts/simulate_attack.py [--seconds 60] [--unit-limit 20] [--address-limit 60]

Honest shoppers come 60 times a second, from many addresses, and accept parking most. After a quiet
time somebody asks 30 times a second and reports that every "vip" was accepted. Each run is compared
with a twin that nobody attacks. Everything runs in one process, with a clock that is set.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bandit_platform.logs import configure_logs
from bandit_platform.settings import Settings
from bandit_platform.simulation.attack import ATTACKS, Attack, AttackResult, Traffic, run_attack


def main() -> None:
    """Run every attack, with limits and without, and print the arms' shares."""
    configure_logs()
    defaults = Settings()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of the attack")
    parser.add_argument("--honest", type=int, default=60, help="honest requests a second")
    parser.add_argument("--unit-limit", type=int, default=defaults.unit_limit)
    parser.add_argument("--address-limit", type=int, default=defaults.address_limit)
    options = parser.parse_args()
    traffic = Traffic(honest_rate=options.honest, attacked=options.seconds)
    limits = (options.unit_limit, options.address_limit)

    def run(attack: Attack | None, limits: tuple[int, int]) -> AttackResult:
        with tempfile.TemporaryDirectory() as folder:
            return run_attack(Path(folder), traffic, attack, limits)

    twin = run(None, limits)
    print(f"{'':26}{'limits':>8}  {'nothing':>8}{'parking':>8}{'vip':>8}  marked   largest change")
    _show("nobody attacks", "on", twin, twin)
    for attack in ATTACKS:
        for name, chosen in (("off", (0, 0)), ("on", limits)):
            _show(attack.name, name, run(attack, chosen), twin)


def _show(name: str, limits: str, found: AttackResult, twin: AttackResult) -> None:
    shares = "".join(f"{found.after[arm]:8.3f}" for arm in ("nothing", "parking", "vip"))
    change = max(abs(found.after[arm] - twin.after[arm]) for arm in twin.after)
    marked = f"{found.attacker_marked}/{found.attacker}+{found.honest_marked}/{found.honest}"
    policies = found.report.policies if found.report else ()
    uplift = next((p.uplift for p in policies if p.kind == "logging"), None)
    said = "" if uplift is None or uplift.value is None else f"{uplift.value:+.3f}"
    print(f"{name:26}{limits:>8}  {shares}  {marked:22} {100 * change:5.1f} points  uplift {said}")


if __name__ == "__main__":
    main()
