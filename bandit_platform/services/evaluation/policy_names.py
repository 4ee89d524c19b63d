"""Whether a policy's name means anything, and which names do."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from bandit_platform.errors import InputError
from bandit_platform.ope.logs.targets import KINDS

#: what can be asked of any log
LOG_KINDS = (*KINDS, "learn:<exploration>", "model:<file>")
#: what can be asked of a running experiment, besides its candidates
LIVE_KINDS = (
    "serving",
    "logging",
    "uniform",
    "always-something",
    "always:<arm>",
    "version:<number>",
    "learn:<exploration>",
)
_WORDS = frozenset({"logging", "uniform"})
_KINDS = frozenset({"always", "column", "learn"})


def require_known(
    asked: Iterable[str], kinds: Sequence[str], names: Container[str] = frozenset()
) -> None:
    """Refuse names that mean nothing; what stands behind a kind is judged where it is used.

    Args:
        asked: policies, as they were typed.
        kinds: what to offer instead.
        names: further names that are known here.

    Raises:
        InputError: a name means nothing here.
    """
    for policy in asked:
        kind, _, rest = policy.partition(":")
        meant = rest and (kind in _KINDS or f"{kind}:<file>" in kinds)
        if not meant and policy != "learn:" and policy not in _WORDS and policy not in names:
            raise InputError(f"unknown policy {policy!r}: give one of {', '.join(kinds)}")
