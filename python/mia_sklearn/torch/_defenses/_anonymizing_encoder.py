"""An encoder that keeps what tells a public label and drops what tells a private one."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from torch import Tensor, nn
from torch.nn import functional as F

from ..._models._random import seeded
from ..._process._docs import Documented
from ...disclosure._private_labels import class_codes
from .._targets._inputs import check_device

__all__ = ["AnonymizingEncoder"]

_ROWS_PER_CHUNK = 8192


class AnonymizingEncoder(
    Documented, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Encode records such that a public label can be told from them and a private one cannot.

    Threat model: protects against attackers who see encoded records, and learn the private label
    from others that were encoded the same way, as far as one attack network can stand for them:
    `mia_sklearn.disclosure.private_label_risk` tells what others find.

    Parameters
    ----------
    module : callable, default=None
        Makes the encoder: called with the number of features, for example the class of a module.
        The module returns one vector per record. By default a hidden layer of 64 units and
        `n_components` outputs, each standardised over the training records.
    lam : float, default=1.0
        Weight of privacy, at least 0. With 0 the private label plays no part, and `fit` does
        without it.
    n_components : int, default=4
        Outputs of the default encoder. The fewer, the less can hide in them.
    k : int, default=5
        Steps of the attacker before each step of the encoder.
    learning_rate : float, default=1e-3
        Of the encoder and the classifier, by Adam; falls to 0 linearly over the epochs.
    attacker_learning_rate : float, default=3e-3
        Of the attacker, by Adam.
    max_epochs : int, default=50
    batch_size : int, default=64
    device : str, default="cpu"
        Where networks are trained; the encoder answers on the CPU, in double precision.
    progress : bool, default=False
        Show progress on standard error.
    random_state : int, RandomState or None, default=None
        Draws the first weights and the batches.

    Attributes
    ----------
    encoder_ : torch.nn.Module
        The trained encoder, which is what is released.
    history_ : list of dict
        For each epoch: ``epoch``, the mean ``public_loss`` and ``public_accuracy`` of the
        classifier over the training batches and, where a private label was given,
        ``private_loss`` and ``private_accuracy`` of the attacker; losses in nats.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.

    See Also
    --------
    mia_sklearn.disclosure.private_label_risk : What fresh attackers find in encoded records.
    mia_sklearn.disclosure.privacy_frontier : The same over `lam`, beside the public accuracy.

    Notes
    -----
    An encoder E, a classifier of the public label y on E(x) and an attacker of the private label
    s on E(x), with cross-entropies :math:`L_y` and :math:`L_s`. The attacker minimises
    :math:`L_s`, the others :math:`L_y + \lambda \max(0, H(s) - L_s)`, where :math:`H(s)` is the
    entropy of the private label's frequencies, the loss of an attacker who knows nothing else.
    The objective of the slides, :math:`L_y - \lambda L_s`, has no lower end: an encoder that
    misleads the attacker ever more gains ever more, and tells the private label to whoever turns
    the answer round. Classifier and attacker are dense networks of one hidden layer, of 64 and
    128 units, and are not kept.

    Standardise features first. Nothing is guaranteed: the encoding is a function of the record,
    and small differences may carry what the attacker inside has missed.

    In a Pipeline, pass ``pipeline.fit(X, y, anonymizingencoder__private=s)``; where metadata
    routing is enabled, ``encoder.set_fit_request(private=True)`` and ``fit(X, y, private=s)``.

    References
    ----------
    .. [1] C. Feutry, P. Piantanida, Y. Bengio, P. Duhamel, "Learning Anonymized Representations
       with Adversarial Neural Networks", arXiv:1802.09386.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.torch import AnonymizingEncoder
    >>> X, y = load_iris(return_X_y=True)
    >>> wide = X[:, 1] > 3
    >>> encoder = AnonymizingEncoder(n_components=2, max_epochs=3, random_state=0)
    >>> encoder.fit_transform(X[:, [0, 2, 3]], y, private=wide).shape
    (150, 2)
    >>> sorted(encoder.history_[-1])
    ['epoch', 'private_accuracy', 'private_loss', 'public_accuracy', 'public_loss']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "module": [callable, None],
        "lam": [Interval(Real, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "attacker_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "device": [str, torch.device],
        "progress": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        module: Any = None,
        *,
        lam: float = 1.0,
        n_components: int = 4,
        k: int = 5,
        learning_rate: float = 1e-3,
        attacker_learning_rate: float = 3e-3,
        max_epochs: int = 50,
        batch_size: int = 64,
        device: Any = "cpu",
        progress: bool = False,
        random_state: Any = None,
    ) -> None:
        self.module = module
        self.lam = lam
        self.n_components = n_components
        self.k = k
        self.learning_rate = learning_rate
        self.attacker_learning_rate = attacker_learning_rate
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.device = device
        self.progress = progress
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._width

    def fit(self, X: Any, y: Any, *, private: Any = None) -> AnonymizingEncoder:
        """Train the encoder.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features)
        y : array-like of shape (n_records,)
            The public label.
        private : array-like of shape (n_records,)
            The private label. Can only be left out if `lam` is 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of its range, `private` is not given although `lam` is above 0,
            a label has one class or is missing, the module is no factory of modules or returns
            no vectors, or the loss becomes NaN.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        if isinstance(self.module, nn.Module):
            raise ValueError(
                f"module is an instance of {type(self.module).__name__}, which would keep what it "
                "has learned. Pass its class, or a function that makes one; it is called with the "
                "number of features."
            )
        device = check_device(self.device)
        X, y = validate_data(self, X, y, dtype=np.float32)
        labels = [class_codes(y, "y")]
        if private is not None:
            labels.append(class_codes(private, "private"))
            check_consistent_length(X, labels[1])
        elif self.lam > 0:
            raise ValueError(
                f"private is needed with lam={self.lam}: pass the label to hide, "
                "fit(X, y, private=...), in a Pipeline as <step>__private=... or, with metadata "
                "routing enabled, after set_fit_request(private=True). lam=0 does without."
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            encoder, self._width = self._encoder(X)
            rates = (self.learning_rate, self.attacker_learning_rate)
            networks = _Networks(encoder.to(device), self._width, labels, rates)
            records = torch.as_tensor(X, device=device)
            self.history_ = list(self._epochs(networks, records))
        self.encoder_ = encoder.eval().requires_grad_(False).cpu().double()
        return self

    def _encoder(self, X: np.ndarray) -> tuple[nn.Module, int]:
        """Return a fresh encoder and the width of what it returns."""
        if self.module is None:
            return _default_encoder(X.shape[1], self.n_components), self.n_components
        encoder = self.module(X.shape[1])
        if not isinstance(encoder, nn.Module):
            raise ValueError(
                f"module must make a torch.nn.Module, got {type(encoder).__name__}. It is called "
                "with the number of features."
            )
        with torch.no_grad():
            shape = tuple(encoder.eval()(torch.as_tensor(X[:2])).shape)
        if len(shape) != 2 or shape[0] != len(X[:2]):
            raise ValueError(
                f"module must return one vector per record, got shape {shape} for {len(X[:2])} "
                "records."
            )
        return encoder, shape[1]

    def _epochs(self, networks: _Networks, records: Tensor) -> Iterator[dict[str, float]]:
        """Train, and yield what each epoch came to."""
        from ..._process._progress import progress_bar

        epochs = progress_bar(range(self.max_epochs), desc="encoder", disable=not self.progress)
        for epoch in epochs:
            networks.slow_down(self.learning_rate * (1 - epoch / self.max_epochs))
            seen = []
            for rows in torch.randperm(len(records)).split(self.batch_size):
                # One record alone cannot be standardised.
                if len(rows) < 2:
                    continue
                for _ in range(self.k if networks.hides else 0):
                    drawn = torch.randint(len(records), (len(rows),))
                    networks.attack(records[drawn], drawn)
                seen.append(networks.step(records[rows], rows, self.lam))
            means = {name: float(np.mean([s[name] for s in seen])) for name in seen[0]}
            if not np.isfinite(means["public_loss"]):
                raise ValueError(
                    f"The loss became NaN in epoch {epoch + 1}: standardise the features, or lower "
                    "learning_rate."
                )
            yield {"epoch": epoch + 1, **means}

    def transform(self, X: Any) -> np.ndarray:
        """Encode records.

        Parameters
        ----------
        X : array-like of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_outputs)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        with torch.no_grad():
            parts = torch.tensor(X).split(_ROWS_PER_CHUNK)
            return torch.cat([self.encoder_(part) for part in parts]).numpy()


def _default_encoder(n_features: int, n_components: int) -> nn.Module:
    # Without a scale of its own an encoder cannot hide by making everything small.
    return nn.Sequential(
        *(nn.Linear(n_features, 64), nn.ReLU(), nn.Linear(64, n_components)),
        nn.BatchNorm1d(n_components, affine=False),
    )


def _dense(n_inputs: int, n_hidden: int, n_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs))


class _Networks:
    """The encoder, the classifier of the public label, and the attacker if there is one."""

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        labels: list[np.ndarray],
        rates: tuple[float, float],
    ) -> None:
        self.encoder = encoder
        device = next(encoder.parameters(), torch.empty(0)).device
        self.hides = len(labels) > 1
        self.labels = [torch.as_tensor(codes, device=device).long() for codes in labels]
        self.heads = [
            _dense(width, n_hidden, int(codes.max()) + 1).to(device)
            for n_hidden, codes in zip((64, 128), labels, strict=False)
        ]
        trained = [nn.ModuleList([encoder, self.heads[0]]), *self.heads[1:]]
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=rate)
            for part, rate in zip(trained, rates, strict=False)
        ]
        shares = np.bincount(labels[-1]) / len(labels[-1])
        #: Loss of an attacker who knows how frequent each class is, and no more.
        self.chance = float(-(shares * np.log(shares)).sum())

    def slow_down(self, learning_rate: float) -> None:
        self.optimizers[0].param_groups[0]["lr"] = learning_rate

    def attack(self, records: Tensor, rows: Tensor) -> None:
        """Let the attacker learn from some records."""
        with torch.no_grad():
            encoded = self.encoder.train()(records)
        loss = F.cross_entropy(self.heads[1](encoded), self.labels[1][rows])
        _descend(loss, self.optimizers[1])

    def step(self, records: Tensor, rows: Tensor, lam: float) -> dict[str, float]:
        """Let encoder and classifier learn from some records."""
        encoded = self.encoder.train()(records)
        losses, found = [], {}
        for name, head, label in zip(("public", "private"), self.heads, self.labels, strict=False):
            answer, own = head(encoded), label[rows]
            losses.append(F.cross_entropy(answer, own))
            found[f"{name}_loss"] = losses[-1].item()
            found[f"{name}_accuracy"] = (answer.argmax(dim=1) == own).float().mean().item()
        total = losses[0]
        if self.hides and lam > 0:
            total = total + lam * F.relu(self.chance - losses[1])
        _descend(total, self.optimizers[0])
        return found


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
