"""More robust doubly robust (Farajtabar, Chow, Ghavamzadeh 2018)."""

from __future__ import annotations

from bandit_platform.ope.reward_range import Floats


def mrdr_fit_weights(probability: Floats, propensity: Floats) -> Floats:
    """Row weights π(A)(1 - p(A))/p(A)² for fitting the reward model that DR then uses.

    Least squares with these weights minimises the variance of DR instead of the model's error.
    The scores are those of DR with the model so fitted, so MRDR is as unbiased as DR.

    Args:
        probability: target probability of the logged arm, shape (n,).
        propensity: logged propensity, shape (n,), in (0, 1].
    """
    return probability * (1.0 - propensity) / propensity**2
