"""Members and non-members told apart without knowing any."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn
from torch.nn import functional as F

from ..._observations._columns import Reader
from ...base import KNOWS_THE_RECORD, BaseAttack
from .._targets._inputs import check_device
from ._components import READ, Components, RobustScale
from ._white_box_attack import Batch, Encoder, batches

__all__ = ["UnsupervisedWhiteBoxAttack"]

_DECODER_SIZE = 32
# Spectral clustering compares all records with all.
_MOST_COMPARED = 2000


class _Autoencoder(nn.Module):
    def __init__(self, encoder: Encoder, code_size: int, n_features: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.code = nn.Linear(encoder.width, code_size)
        self.decoder = nn.Sequential(
            nn.Linear(code_size, _DECODER_SIZE), nn.ReLU(), nn.Linear(_DECODER_SIZE, n_features)
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.decoder(self.code(self.encoder(batch)))


class UnsupervisedWhiteBoxAttack(BaseAttack):
    """Split the observed records in two; those with small gradients are the members.

    Threat model: white-box. The attacker holds the model and knows no member. A network encodes
    all that the model shows of a record, so that a decoder finds in the code the record's loss,
    whether it is answered rightly, the confidence in its true class and its gradient norm. The
    codes are split into two clusters; the one with the smaller mean gradient norm is "member".

    Parameters
    ----------
    clusterer : {"kmeans", "spectral"}, default="kmeans"
        How the codes are split. "spectral" looks at 2,000 records at most.
    code_size : int, default=4
    component_size : int, default=32
        Width of the answer of each component of the encoder.
    hidden_sizes : tuple of int, default=(64,)
        Widths of the layers between the components and the code.
    max_epochs : int, default=30
    batch_size : int, default=64
    learning_rate : float, default=0.001
        Of AdamW.
    weight_decay : float, default=0.01
    dropout : float, default=0.0
    device : str, default="cpu"
        Where the network is trained; it answers on the CPU, in double precision.
    random_state : int, RandomState instance or None, default=None
    columns : sequence of str, default=None
        Names of the columns of plain arrays; without names all columns are gradient norms.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    centers_ : ndarray of shape (2, code_size)
        Mean codes of the non-members and of the members.

    Raises
    ------
    ValueError
        In `fit`: if `device` is CUDA and there is none, or there is no gradient norm.

    See Also
    --------
    mia_sklearn.observe : Gives the columns with `view="white-box"`.
    WhiteBoxAttack : Knows some members.

    Notes
    -----
    `fit` takes `y` like every classifier, and reads of it what the two labels are called, no
    more: any guess does, such as 0 and 1 in turn. It should be fitted on the very records that
    it is to tell apart. The score is the distance to the non-members' mean code less that to the
    members'. The decision lies half-way, whatever share of the records are members.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       S&P 2019, section III.D.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.torch import UnsupervisedWhiteBoxAttack
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:200] / 16, y[:200])
    >>> observations = observe(model, X[:400] / 16, y[:400], view="white-box")
    >>> attack = UnsupervisedWhiteBoxAttack(max_epochs=5, random_state=0)
    >>> attack.fit(observations, [0, 1] * 200).predict(observations).shape
    (400,)
    """

    threat_model: ClassVar[str] = "white-box"
    requires: ClassVar[tuple[str, ...]] = ("grad_norm",)
    attacker_knows: ClassVar[str] = KNOWS_THE_RECORD + "; other records of which some are members"

    _ranks_without_members: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "clusterer": [StrOptions({"kmeans", "spectral"})],
        "code_size": [Interval(Integral, 1, None, closed="left")],
        "component_size": [Interval(Integral, 1, None, closed="left")],
        "hidden_sizes": ["array-like"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        clusterer: str = "kmeans",
        *,
        code_size: int = 4,
        component_size: int = 32,
        hidden_sizes: tuple[int, ...] = (64,),
        max_epochs: int = 30,
        batch_size: int = 64,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        dropout: float = 0.0,
        device: Any = "cpu",
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.clusterer = clusterer
        self.code_size = code_size
        self.component_size = component_size
        self.hidden_sizes = hidden_sizes
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.device = device
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_device(self.device)

    def _array_columns(self) -> tuple[str, str]:
        return "grad_norm", "grad_norm.unnamed"

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        rng = check_random_state(self.random_state)
        device = check_device(self.device)
        self._components = Components(table, READ)
        data = Batch.of(list(self._components(table, np.float32)), device)
        goal = torch.as_tensor(_features(table), dtype=torch.float32, device=device)
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.randint(2**31 - 1)))
            self._network = self._train(data, goal, rng).cpu().double()
        codes = self._codes(table)
        # One unit for all places of the code: alike, those that hold noise would count as much.
        self._width = max(float(np.sqrt(codes.var(axis=0).mean())), 1e-12)
        norm = table.column("grad_norm").astype(np.float64)
        self.centers_ = self._split(codes / self._width, norm, rng) * self._width

    def _train(self, data: Batch, goal: torch.Tensor, rng: np.random.RandomState) -> _Autoencoder:
        like = data.take(slice(2))
        encoder = Encoder(like, self.component_size, tuple(self.hidden_sizes), self.dropout)
        network = _Autoencoder(encoder, self.code_size, goal.shape[1]).to(goal.device)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        network.train()
        for _ in range(self.max_epochs):
            for places in batches(len(goal), self.batch_size, rng):
                rows = torch.as_tensor(places, device=goal.device)
                loss = F.mse_loss(network(data.take(rows)), goal[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return network.eval()

    def _split(self, codes: np.ndarray, norm: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return the mean codes of the non-members and of the members."""
        if len(np.unique(codes, axis=0)) < 2:
            return np.repeat(codes[:1], 2, axis=0)
        if self.clusterer == "kmeans":
            cluster = KMeans(2, n_init=10, random_state=rng).fit_predict(codes)
        else:
            some = rng.permutation(len(codes))[:_MOST_COMPARED]
            codes, norm = codes[some], norm[some]
            method = SpectralClustering(2, gamma=1.0, random_state=rng)
            cluster = method.fit_predict(codes)
        sides = [cluster == k for k in (0, 1)]
        if not all(side.any() for side in sides):
            return np.repeat(codes.mean(axis=0)[None], 2, axis=0)
        sides.sort(key=lambda side: -_mean(norm[side]))
        return np.stack([codes[side].mean(axis=0) for side in sides])

    def _score(self, table: Reader) -> np.ndarray:
        codes = self._codes(table)
        apart = [np.linalg.norm((codes - center) / self._width, axis=1) for center in self.centers_]
        return np.where(self._components.blank(table), np.nan, apart[0] - apart[1])

    @torch.no_grad()
    def _codes(self, table: Reader) -> np.ndarray:
        codes = [np.zeros((0, self.code_size))]
        for inputs in self._components(table, np.float64):
            batch = Batch.of([inputs], "cpu")
            codes.append(self._network.code(self._network.encoder(batch)).numpy())
        return np.concatenate(codes)

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        # Membership is not known: 0 lies half-way, the unit is the scores' own.
        spread = float(score.std())
        self._slope, self._offset = 1.0 / spread if spread > 0 else 1.0, 0.0


def _mean(norm: np.ndarray) -> float:
    # Where all overflowed, they are as large as can be.
    return float(np.nanmean(norm)) if not np.isnan(norm).all() else np.inf


def _log_loss(logit: np.ndarray) -> np.ndarray:
    # Of well known records, whose loss is exp(-logit) to the last digit, and of others.
    return np.where(logit > 30, -logit, np.log(np.logaddexp(0, -np.minimum(logit, 30))))


def _features(table: Reader) -> np.ndarray:
    """Return what the decoder is to find: gradient norm, loss, confidence, correctness."""
    tiny = float(np.finfo(np.float32).smallest_subnormal)
    features = [np.log(np.maximum(table.column("grad_norm").astype(np.float64), tiny))]
    if "logit" in table:
        logit = table.column("logit").astype(np.float64)
        with np.errstate(invalid="ignore"):
            features += [_log_loss(logit), expit(logit)]
    if "proba" in table and "label" in table:
        features.append((table["proba"].argmax(axis=1) == table.column("label")).astype(float))
    values = np.stack(features, axis=1)
    return RobustScale(values)(values)
