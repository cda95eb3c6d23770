"""Differential privacy of Gaussian noise, exactly."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, ndtr

__all__ = ["epsilon_of", "log_delta_of", "mu_of"]

_RELATIVE = 1e-12
_SMALLEST, _LARGEST = 1e-12, 1e12


def log_delta_of(epsilon: float, mu: float) -> float:
    r"""Return the logarithm of the least delta at which a Gaussian mechanism has an epsilon.

    .. math:: \delta(\epsilon) = \Phi(\mu/2 - \epsilon/\mu) - e^\epsilon \Phi(-\mu/2 - \epsilon/\mu)

    Parameters
    ----------
    epsilon : float
        At least 0.
    mu : float
        Sensitivity over standard deviation, above 0; of k adaptive releases the root of the sum
        of squares.

    Returns
    -------
    float

    References
    ----------
    .. [1] B. Balle and Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy",
       ICML 2018, theorem 8.
    .. [2] J. Dong, A. Roth and W. J. Su, "Gaussian Differential Privacy", JRSS B 2022,
       corollary 2.13.
    """
    a = mu / 2 - epsilon / mu
    b = mu / 2 + epsilon / mu
    # e^epsilon phi(b) = phi(a), so that both terms are phi(a) times a ratio of Mills.
    other = erfcx(b / np.sqrt(2))
    if a > 0:
        return float(np.log(ndtr(a) - np.exp(-a * a / 2) * other / 2))
    difference = erfcx(-a / np.sqrt(2)) - other
    return float(-a * a / 2 + np.log(difference / 2)) if difference > 0 else -np.inf


def epsilon_of(mu: float, delta: float) -> float:
    """Return the least epsilon that a Gaussian mechanism has at a delta.

    Parameters
    ----------
    mu : float
        At least 0; infinite without noise.
    delta : float
        Between 0 and 1.

    Returns
    -------
    float
    """
    if mu == 0 or np.isinf(mu):
        return float(mu)

    def excess(epsilon: float) -> float:
        return max(log_delta_of(epsilon, mu), -1e300) - np.log(delta)

    if excess(0.0) <= 0:
        return 0.0
    # Without its second term delta is a tail of the normal, which is below exp(-z^2 / 2).
    enough = mu * mu / 2 + mu * np.sqrt(-2 * np.log(delta)) + 1e-9
    return float(brentq(excess, 0.0, enough, xtol=1e-14, rtol=_RELATIVE))


def mu_of(epsilon: float, delta: float) -> float:
    """Return the mu of the Gaussian mechanism that has an epsilon at a delta.

    Parameters
    ----------
    epsilon : float
        Above 0.
    delta : float
        Between 0 and 1.

    Returns
    -------
    float
    """

    def excess(log_mu: float) -> float:
        return max(log_delta_of(epsilon, float(np.exp(log_mu))), -1e300) - np.log(delta)

    ends = np.log(_SMALLEST), np.log(_LARGEST)
    return float(np.exp(brentq(excess, *ends, xtol=1e-14, rtol=_RELATIVE)))
