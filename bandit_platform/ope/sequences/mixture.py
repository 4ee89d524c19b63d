"""The gamma-exponential mixture boundary of Howard, Ramdas, McAuliffe and Sekhon (2021)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.reward_range import Floats

_STEPS = 40
_STIRLING = 1e6


def tuned_rho(*, best_at: float, alpha: float) -> float:
    """The mixture parameter that makes the boundary tightest near one intrinsic time.

    rho = v* / (2h + ln(1 + 2h)), h = ln(1 / 2 alpha).

    Args:
        best_at: v*, the intrinsic time Σ((Z - Ẑ)/B)² of interest, > 0.
        alpha: one-sided error, in (0, 0.5).
    """
    level = math.log(1.0 / (2.0 * alpha))
    return best_at / (2.0 * level + math.log1p(2.0 * level))


def log_mixture(s: Floats, v: Floats, rho: float | Floats) -> Floats:
    """Logarithm of the gamma-exponential mixture supermartingale.

    log M(s, v) = s + v + rho ln rho - (v + rho) ln(s + v + rho)
    + ln gamma(v + rho, s + v + rho) - ln gamma(rho, rho), with gamma the lower incomplete gamma
    function, arranged so that nothing large cancels.

    Args:
        s: sum of the centred observations, shape (n,), ≥ 0.
        v: intrinsic time, shape (n,), ≥ 0.
        rho: mixture parameter, > 0, one or one for each.
    """
    from scipy import special  # noqa: PLC0415 - slow to import, needed only for bounds

    a = v + rho
    stirling = 0.5 * np.log(2.0 * np.pi / a) + 1.0 / (12.0 * a)
    direct = special.gammaln(np.minimum(a, _STIRLING)) - a * np.log(a) + a
    at_rho = rho * np.log(rho) - rho - special.gammaln(rho) - np.log(special.gammainc(rho, rho))
    curve = s - a * np.log1p(s / a) + np.log(special.gammainc(a, a + s))
    result: Floats = np.where(a > _STIRLING, stirling, direct) + curve + at_rho
    return result


def _slope(s: Floats, a: Floats) -> Floats:
    """Derivative of log M in s: s/(a + s) + x^(a-1) e^(-x) / gamma(a, x) at x = a + s."""
    from scipy import special  # noqa: PLC0415 - slow to import, needed only for bounds

    x = a + s
    log_density = (a - 1.0) * np.log(x) - x - special.gammaln(a)
    slope: Floats = s / x + np.exp(log_density) / special.gammainc(a, x)
    return slope


def boundary(v: npt.ArrayLike, *, rho: float | Floats, alpha: float | Floats) -> Floats:
    """The u(v) with log M(u, v) = ln(1/alpha): S_t stays below u(V_t) for ever, chance 1 - alpha.

    log M is increasing and convex in s (it mixes exponentials), so Newton's method arrives from
    above: the returned value errs, if at all, on the side of a wider bound.

    Args:
        v: intrinsic time, any shape, ≥ 0 and finite.
        rho: mixture parameter, > 0, one or one for each v.
        alpha: one-sided error, in (0, 1), one or one for each v.

    Returns:
        u, same shape as v.

    Raises:
        EvaluationError: v, rho or alpha out of range.
    """
    time = np.atleast_1d(np.asarray(v, dtype=np.float64))
    level = np.asarray(alpha, dtype=np.float64)
    good = (time >= 0.0) & (time < np.inf) & (np.asarray(rho) > 0.0)
    if not bool((good & (level > 0.0) & (level < 1.0)).all()):
        raise EvaluationError(
            f"boundary needs v ≥ 0, rho > 0, 0 < alpha < 1; got rho={rho}, alpha={alpha}"
        )
    goal = np.log(1.0 / level)
    a = time + rho
    reach = goal + 0.5 * np.log1p(time / rho) + 1.0
    u: Floats = np.sqrt(2.0 * a * reach) + reach
    for _ in range(_STEPS):
        step = (log_mixture(u, time, rho) - goal) / _slope(u, a)
        u = np.maximum(u - step, 0.0)
        if bool((np.abs(step) <= 1e-10 * u + 1e-12).all()):
            break
    u *= 1.0 + 1e-9
    return u.reshape(np.shape(v))
