from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.sequences.mixture import boundary, log_mixture, tuned_rho


def mixture_by_quadrature(s: float, v: float, rho: float) -> float:
    """The mixture's definition: the mean of exp(xs + v(ln(1 - x) + x)) over its density in x."""

    def density(x: float) -> float:
        log = rho * math.log(rho) - special.gammaln(rho) - math.log(special.gammainc(rho, rho))
        return math.exp(log - rho * (1 - x)) * (1 - x) ** (rho - 1)

    def value(x: float) -> float:
        return density(x) * math.exp(x * s + v * (math.log1p(-x) + x))

    return math.log(integrate.quad(value, 0, 1, epsabs=0, epsrel=1e-10)[0])


@pytest.mark.parametrize("rho", [1.5, 7.0])
@pytest.mark.parametrize(("s", "v"), [(0.0, 0.0), (3.0, 2.0), (25.0, 60.0)])
def test_closed_form_is_the_mixture(s: float, v: float, rho: float) -> None:
    closed = float(log_mixture(np.array([s]), np.array([v]), rho)[0])
    assert closed == pytest.approx(mixture_by_quadrature(s, v, rho), abs=1e-8)


def test_stirling_joins_without_a_step() -> None:
    v = np.array([1e6 - 20.0, 1e6 + 20.0])
    below, above = log_mixture(np.array([3000.0, 3000.0]), v, 10.0)
    assert below == pytest.approx(above, abs=1e-3)


@pytest.mark.parametrize("rho", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("alpha", [0.001, 0.025, 0.3])
def test_boundary_solves_its_equation_from_above(rho: float, alpha: float) -> None:
    v = np.array([0.0, 1e-9, 0.5, 40.0, 1e4, 1e8])
    u = boundary(v, rho=rho, alpha=alpha)
    excess = log_mixture(u, v, rho) - math.log(1 / alpha)
    assert (excess >= 0).all()
    assert (excess < 1e-6).all()
    assert (np.diff(u) >= 0).all()


def test_tuned_rho_is_nearly_the_best() -> None:
    best_at, alpha = 400.0, 0.025
    chosen = boundary(best_at, rho=tuned_rho(best_at=best_at, alpha=alpha), alpha=alpha)
    others = [boundary(best_at, rho=rho, alpha=alpha) for rho in np.geomspace(1, 1e4, 100)]
    assert float(chosen) <= 1.01 * float(min(others))


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_impossible_time_is_refused(bad: float) -> None:
    with pytest.raises(EvaluationError):
        boundary(bad, rho=1.0, alpha=0.05)
