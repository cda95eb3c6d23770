"""How far a model of sequences has memorised one: its rank among all that it could have been."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import betaincinv
from sklearn.utils import check_random_state

from ..stats._checks import check_level
from ._canaries import Candidates, log_likelihoods

__all__ = ["Exposure", "canary_exposure", "exposure"]

# Likelihoods that differ by less, relatively, are ties: sums of the same terms in another order.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Exposure:
    """How far one sequence is memorised.

    Attributes
    ----------
    exposure : float
        In bits, ``-log2(p_value)``: 0 for the least likely candidate, log2(n_candidates) for one
        that is more likely than all others. What a model without memory shows exceeds b bits with
        probability 2 ** -b at most, and averages 1.44.
    low, high : float
        Ends of its confidence interval; both the exposure itself where it is exact.
    p_value : float
        Of the null hypothesis that the model has never seen the sequence, valid for a sequence
        drawn uniformly from the candidates.
    rank : int or None
        Candidates that are at least as likely, itself included; None where not all were looked
        at.
    n_candidates : int
    exact : bool
        Whether all candidates were looked at.
    n_drawn : int
        Candidates drawn, where not all were looked at; 0 otherwise.

    Examples
    --------
    >>> from mia_sklearn.disclosure import exposure
    >>> print(exposure([3.0, 0.5, 2.0, 4.0], 1))
    2.0 of 2.0 bits, rank 1 of 4, p = 0.25
    """

    exposure: float
    low: float
    high: float
    p_value: float
    rank: int | None
    n_candidates: int
    exact: bool
    n_drawn: int = 0

    def __float__(self) -> float:
        return self.exposure

    def __str__(self) -> str:
        most = f"of {math.log2(self.n_candidates):.1f} bits"
        if self.exact:
            place = f"rank {self.rank:,} of {self.n_candidates:,}"
            return f"{self.exposure:.1f} {most}, {place}, p = {self.p_value:.2g}"
        ends = f"[{self.low:.1f}, {self.high:.1f}]"
        return (
            f"at least {self.low:.1f} {most}, {self.exposure:.1f} {ends} by {self.n_drawn:,} of "
            f"{self.n_candidates:,} candidates, p = {self.p_value:.2g}"
        )


def exposure(nll: Any, index: Any) -> Any:
    r"""Return the exposure of a sequence from the likelihoods of all that it could have been.

    Threat model: the attacker reads the model's likelihoods of sequences.

    Parameters
    ----------
    nll : array-like of shape (n_candidates,)
        Negative log-likelihood of each candidate, in any unit; infinity where impossible.
    index : int or array-like of int
        Which candidate the canary is; several for several canaries of the same candidates.

    Returns
    -------
    Exposure, or list of Exposure if `index` is a list

    Raises
    ------
    ValueError
        If there are fewer than two candidates, a likelihood is NaN, or an index is none of
        theirs.

    See Also
    --------
    canary_exposure : Asks the model itself.

    Notes
    -----
    :math:`\log_2 |R| - \log_2 \mathrm{rank}`, where the rank counts the candidates of R that are
    at least as likely, itself included. So ties count against memorisation, and the p-value,
    :math:`\mathrm{rank} / |R|`, holds whatever the ties; likelihoods that differ by less
    than a billionth part are ties.

    References
    ----------
    .. [1] N. Carlini et al., "The Secret Sharer: Evaluating and Testing Unintended Memorization
       in Neural Networks", USENIX Security 2019, definition 4.

    Examples
    --------
    >>> from mia_sklearn.disclosure import exposure
    >>> found = exposure([3.0, 0.5, 2.0, 4.0, 2.0, 7.0, 8.0, 9.0], 2)
    >>> found.rank, found.p_value, round(found.exposure, 3)
    (3, 0.375, 1.415)
    """
    nll = np.asarray(nll, dtype=np.float64)
    if nll.ndim != 1 or len(nll) < 2:
        raise ValueError(
            "nll must hold the negative log-likelihoods of at least two candidates, got shape "
            f"{nll.shape}."
        )
    if np.isnan(nll).any() or (nll == -np.inf).any():
        raise ValueError("nll holds NaN or minus infinity; an impossible candidate has infinity.")
    places = np.asarray(index)
    if places.dtype.kind not in "iu" or ((places < 0) | (places >= len(nll))).any():
        raise ValueError(f"index must be whole numbers from 0 to {len(nll) - 1}, got {index!r}.")
    ranks = _reached(nll, nll[places.ravel()])
    found = [_exact(rank, len(nll)) for rank in ranks.tolist()]
    return found[0] if places.ndim == 0 else found


def _reached(nll: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return how many candidates are at least as likely as each of some sequences."""
    tied = own + _ROUNDING * np.maximum(np.abs(own), 1.0)
    return np.searchsorted(np.sort(nll), tied, side="right")


def _exact(rank: int, n: int) -> Exposure:
    bits = math.log2(n) - math.log2(rank)
    return Exposure(bits, bits, bits, rank / n, rank, n, exact=True)


def _bounded(reached: int, n_drawn: int, n_candidates: int, confidence: float) -> Exposure:
    """Return what a sample says, in which so many candidates are at least as likely."""
    # Clopper and Pearson's limits of the share of candidates that are at least as likely.
    missed, side = n_drawn - reached, (1 - confidence) / 2
    least = float(betaincinv(reached, missed + 1, side)) if reached else 0.0
    largest = float(betaincinv(reached + 1, missed, 1 - side)) if missed else 1.0
    p_value = (1 + reached) / (1 + n_drawn)
    most = math.log2(n_candidates)
    return Exposure(
        min(-math.log2(p_value), most),
        -math.log2(largest),
        min(-math.log2(least), most) if least > 0 else most,
        p_value,
        None,
        n_candidates,
        exact=False,
        n_drawn=n_drawn,
    )


def canary_exposure(
    model: Any,
    template: Any,
    values: Any,
    *,
    slots: Any = "0123456789",
    max_candidates: int = 2**21,
    n_samples: int = 100_000,
    batch_size: int = 2**15,
    confidence: float = 0.95,
    random_state: Any = None,
) -> Any:
    r"""Tell whether a model of sequences has memorised what was put into its training data.

    Before training, draw a canary uniformly from all that a template can become, and put it into
    the training data; a model that finds it likelier than the others remembers it.

    Threat model: the attacker reads the model's likelihoods of sequences, and guesses a secret
    whose format they know.

    Parameters
    ----------
    model : SequenceModel or callable
        A `SequenceModel` tells the probabilities of the next symbol, so that candidates that
        begin alike share the work. A callable is given a list of sequences, each of the
        template's type (a tuple if it is no text), and returns their log-likelihoods, of shape
        (n_sequences,).
    template : str or sequence
        What stands around the secret, with ``{}`` for each of its symbols, as in
        ``"my number is {}{}{}{}"``. Of a model whose symbols are no characters, a sequence of
        symbols with None for each slot.
    values : str or sequence, or list of them
        The canary's symbols, one for each slot, as in ``"2812"``. In a list, several canaries of
        the same template, which costs no more.
    slots : str or sequence, or list of lists, default="0123456789"
        The symbols that may stand in each slot; a list of lists has one for each slot.
    max_candidates : int, default=2**21
        All candidates are looked at where there are no more; otherwise some are drawn.
    n_samples : int, default=100_000
        How many are drawn.
    batch_size : int, default=2**15
        Candidates whose states are held at once.
    confidence : float, default=0.95
        Two-sided confidence of the interval, where candidates are drawn; the lower end alone
        holds at (1 + confidence) / 2.
    random_state : int, RandomState or None, default=None
        Draws the candidates.

    Returns
    -------
    Exposure, or list of Exposure if `values` is a list

    Raises
    ------
    ValueError
        If the template has no slot, a canary does not fit it, the model does not know a symbol,
        or what it returns are no log-probabilities.

    See Also
    --------
    exposure : From likelihoods that are known.

    Notes
    -----
    Where candidates are drawn, the share of them that are at least as likely is a binomial, of
    which `low` and `high` are Clopper and Pearson's limits, and `p_value` is
    (1 + those) / (1 + `n_samples`). The paper's second estimate, a skewed normal law fitted to
    drawn likelihoods, is left out: it answers more than what was seen supports. So
    `exposure` is never above log2(`n_samples` + 1).

    The p-value holds for a canary that was drawn uniformly, and independently of the rest of the
    training data. Of several such, `scipy.stats.combine_pvalues` makes one p-value, and their
    mean exposure is to be held against 1.44.

    References
    ----------
    .. [1] N. Carlini et al., "The Secret Sharer: Evaluating and Testing Unintended Memorization
       in Neural Networks", USENIX Security 2019, sections 4 and 5.

    Examples
    --------
    A model that has learned that numbers do not end in 9:

    >>> import numpy as np
    >>> from mia_sklearn.disclosure import canary_exposure
    >>> def log_likelihood(sequences):
    ...     return np.array([-9.0 - 5.0 * s.endswith("9") for s in sequences])
    >>> print(canary_exposure(log_likelihood, "pin {}{}{}", "281"))
    0.2 of 10.0 bits, rank 900 of 1,000, p = 0.9
    >>> [found.rank for found in canary_exposure(log_likelihood, "pin {}{}{}", ["281", "289"])]
    [900, 1000]
    """
    for name, number in (
        ("max_candidates", max_candidates),
        ("n_samples", n_samples),
        ("batch_size", batch_size),
    ):
        if not isinstance(number, Integral) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {number!r}.")
    check_level(confidence, "confidence")
    rng = check_random_state(random_state)
    candidates = Candidates(template, slots)
    if isinstance(template, str):
        is_list = not isinstance(values, str)
    else:
        is_list = all(isinstance(value, (list, tuple, np.ndarray)) for value in values)
    own = np.array([candidates.places(value) for value in (values if is_list else [values])])
    if not len(own):
        raise ValueError("values holds no canary.")
    of = log_likelihoods(model, candidates)
    if candidates.n <= max_candidates:
        nll = -np.concatenate([of(places) for places in candidates.all(int(batch_size))])
        found = exposure(nll, candidates.number(own))
    else:
        looked_at = np.concatenate([own, candidates.draw(int(n_samples), rng)])
        # In order, so that those that begin alike are next to each other.
        order = np.lexsort(looked_at.T[::-1])
        parts = np.split(order, range(batch_size, len(order), batch_size))
        nll = np.empty(len(order))
        nll[order] = -np.concatenate([of(looked_at[part]) for part in parts])
        reached = _reached(nll[len(own) :], nll[: len(own)])
        found = [
            _bounded(count, int(n_samples), candidates.n, confidence) for count in reached.tolist()
        ]
    return found if is_list else found[0]
