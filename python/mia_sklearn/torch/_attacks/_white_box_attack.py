"""A network that reads all that a model shows of a record."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from ..._observations._columns import Reader
from ...base import KNOWS_THE_RECORD, BaseAttack
from .._targets._inputs import check_device
from ._components import READ, Components, Inputs

__all__ = ["Batch", "Encoder", "WhiteBoxAttack", "batches"]

# Fewer records of either kind are all learned from: too few to stop by.
_LEAST_HELD_OUT = 5


class Batch(NamedTuple):
    """`Inputs` as tensors."""

    scalars: Tensor
    vectors: dict[str, Tensor]
    matrices: dict[str, Tensor]
    label: Tensor

    @classmethod
    def of(cls, parts: list[Inputs], device: Any) -> Batch:
        """Put rows of `Inputs` together, on a device."""

        def join(arrays: list[np.ndarray]) -> Tensor:
            return torch.as_tensor(np.concatenate(arrays), device=device)

        first = parts[0]
        return cls(
            join([part.scalars for part in parts]),
            {name: join([part.vectors[name] for part in parts]) for name in first.vectors},
            {name: join([part.matrices[name] for part in parts]) for name in first.matrices},
            join([part.label for part in parts]),
        )

    def take(self, rows: Any) -> Batch:
        return Batch(
            self.scalars[rows],
            {name: values[rows] for name, values in self.vectors.items()},
            {name: values[rows] for name, values in self.matrices.items()},
            self.label[rows],
        )


class Encoder(nn.Module):
    """One component per kind of column, joined and reduced to one vector per record.

    Parameters
    ----------
    like : Batch
        Some records, for the shapes.
    component_size : int
        Width of each component's answer.
    hidden_sizes : tuple of int
        Widths of the layers behind the components.
    dropout : float
    """

    def __init__(
        self, like: Batch, component_size: int, hidden_sizes: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.scalar = nn.Linear(like.scalars.shape[1], component_size)
        self.vector = nn.ModuleList(
            nn.Linear(values.shape[1], component_size) for values in like.vectors.values()
        )
        # A convolution whose kernel is one row: the gradient of one output at a time.
        self.matrix = nn.ModuleList(
            nn.Linear(values.shape[2], component_size) for values in like.matrices.values()
        )
        self.pooled = nn.ModuleList(
            nn.Linear(3 * component_size, component_size) for _ in self.matrix
        )
        width = component_size * (1 + len(self.vector) + len(self.matrix))
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(width, size), nn.ReLU()]
            width = size
        self.hidden = nn.Sequential(*layers)
        self.width = width

    def forward(self, batch: Batch) -> Tensor:
        answers = [F.relu(self.scalar(batch.scalars))]
        for component, values in zip(self.vector, batch.vectors.values(), strict=True):
            answers.append(F.relu(component(self._dropped(values))))
        for convolution, pooled, values in zip(
            self.matrix, self.pooled, batch.matrices.values(), strict=True
        ):
            rows = F.relu(convolution(values))
            # Of the last layer, the row of the record's own class says most.
            known = (batch.label >= 0) & (batch.label < rows.shape[1])
            own = rows[
                torch.arange(len(rows), device=rows.device), batch.label.clamp(0, rows.shape[1] - 1)
            ]
            parts = [own * known[:, None], rows.mean(dim=1), rows.amax(dim=1)]
            answers.append(F.relu(pooled(self._dropped(torch.cat(parts, dim=1)))))
        return self.hidden(torch.cat(answers, dim=1))

    def _dropped(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.dropout, self.training)


class _Network(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.last = nn.Linear(encoder.width, 1)
        # The scalars' straight way, which few records suffice to learn.
        self.straight = nn.Linear(encoder.scalar.in_features, 1, bias=False)

    def forward(self, batch: Batch) -> Tensor:
        return (self.last(self.encoder(batch)) + self.straight(batch.scalars))[:, 0]


def batches(n: int, size: int, rng: np.random.RandomState) -> Iterator[np.ndarray]:
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def _what_is_read(batch: Batch, k: int) -> Batch:
    """Return what the network number `k` reads: every second one no gradient matrices."""
    return batch._replace(matrices={}) if k % 2 else batch


@torch.no_grad()
def _answer(network: nn.Module, data: Batch, rows: np.ndarray) -> np.ndarray:
    network.eval()
    parts = torch.as_tensor(rows, device=data.scalars.device).split(1024)
    return torch.cat([network(data.take(part)) for part in parts]).double().cpu().numpy()


class WhiteBoxAttack(BaseAttack):
    """A network that reads a model's answers, activations and gradients.

    Threat model: white-box. The attacker holds the model, and knows some members and some
    non-members of it (or has made observations of models of their own). One component reads the
    scalars (rescaled logit, entropy, gradient norms, comparison with references), one each the
    posterior, the sorted posterior, the label and each layer's activations; a convolution reads
    each layer's gradient. What they find is joined and answered with one number.

    Parameters
    ----------
    groups : sequence of str, default=None
        Column groups to read, out of "label", "logit", "proba", "out", "in", "grad_norm",
        "activation", "gradient", "round_logit", "round_proba". By default all that are there,
        and then gradient norms are required.
    component_size : int, default=32
        Width of each component's answer.
    hidden_sizes : tuple of int, default=(64,)
        Widths of the layers that the components are joined by.
    n_networks : int, default=4
        Networks that are trained, each on its own part; their mean is the score. Every second
        one leaves the gradient matrices out, for which few records suffice.
    max_epochs : int, default=60
    batch_size : int, default=64
    learning_rate : float, default=0.001
        Of AdamW.
    weight_decay : float, default=0.01
    dropout : float, default=0.2
    validation_fraction : float, default=0.2
        Part of the records of `fit` that each network is not trained on: the epoch with the
        smallest loss there is kept, and its log-odds are calibrated there. 0 trains all
        epochs, as it is done with fewer than five records of either kind to hold out.
    patience : int, default=6
        Epochs without a smaller loss after which training stops.
    device : str, default="cpu"
        Where the networks are trained; they answer on the CPU, in double precision.
    random_state : int, RandomState instance or None, default=None
    columns : sequence of str, default=None
        Names of the columns of plain arrays; without names all columns are gradient norms.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    n_epochs_ : list of int
        Epochs whose parameters were kept, by network.

    Raises
    ------
    ValueError
        In `fit`: if `device` is CUDA and there is none, or columns that are asked for lack.

    See Also
    --------
    mia_sklearn.observe : Gives the columns with `view="white-box"`.
    UnsupervisedWhiteBoxAttack : Knows no member.

    Notes
    -----
    Deviations from [1]_, for which a few hundred records suffice: components are narrower;
    gradients are divided by their norm, which goes in as a logarithm of its own; convolutions
    are pooled over the rows; several networks vote, half of which leave the matrices out.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       S&P 2019, section III.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.torch import WhiteBoxAttack
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:200] / 16, y[:200])
    >>> observations = observe(model, X[:400] / 16, y[:400], view="white-box")
    >>> known = [*range(100), *range(200, 300)]
    >>> attack = WhiteBoxAttack(max_epochs=5, random_state=0)
    >>> attack = attack.fit(observations.iloc[known], [1] * 100 + [0] * 100)
    >>> attack.decision_function(observations.drop(index=known)).shape
    (200,)
    """

    threat_model: ClassVar[str] = "white-box"
    requires: ClassVar[tuple[str, ...]] = ("grad_norm",)
    attacker_knows: ClassVar[str] = KNOWS_THE_RECORD + "; some members and some non-members"
    not_run: ClassVar[str] = (
        "needs records whose membership is known beside those that are audited: "
        'fit it on observe(..., view="white-box")'
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "groups": ["array-like", None],
        "component_size": [Interval(Integral, 1, None, closed="left")],
        "hidden_sizes": ["array-like"],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        *,
        groups: Any = None,
        component_size: int = 32,
        hidden_sizes: tuple[int, ...] = (64,),
        n_networks: int = 4,
        max_epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        dropout: float = 0.2,
        validation_fraction: float = 0.2,
        patience: int = 6,
        device: Any = "cpu",
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.groups = groups
        self.component_size = component_size
        self.hidden_sizes = hidden_sizes
        self.n_networks = n_networks
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_device(self.device)
        unknown = set(self.groups or ()) - set(READ)
        if unknown or (self.groups is not None and not set(self.groups) - {"label"}):
            raise ValueError(
                f"groups must name some of {', '.join(READ)} besides label, got {self.groups!r}."
            )

    def _required(self) -> tuple[str, ...]:
        return self.requires if self.groups is None else tuple(self.groups)

    def _array_columns(self) -> tuple[str, str]:
        return "grad_norm", "grad_norm.unnamed"

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        rng = check_random_state(self.random_state)
        device = check_device(self.device)
        self._components = Components(table, READ if self.groups is None else tuple(self.groups))
        data = Batch.of(list(self._components(table, np.float32)), device)
        goal = torch.as_tensor(member, dtype=torch.float32, device=device)
        folds = self._folds(member, rng)
        self._networks, self.n_epochs_ = [], []
        answers = []
        for k, held_out in enumerate(folds):
            read = _what_is_read(data, k)
            with torch.random.fork_rng():
                torch.manual_seed(int(rng.randint(2**31 - 1)))
                network, epoch = self._train(read, goal, held_out, rng)
            if len(held_out):
                answers.append(_answer(network, read, held_out))
            self._networks.append(network.cpu().double())
            self.n_epochs_.append(epoch)
        # What is answered to records of the training set would look too sure.
        self._held_out = (
            (np.concatenate(answers), member[np.concatenate(folds)]) if answers else None
        )

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        super()._calibrate(*(self._held_out or (score, member)))
        del self._held_out

    def _folds(self, member: np.ndarray, rng: np.random.RandomState) -> list[np.ndarray]:
        """Return the rows that each network is not trained on: different ones, if they suffice."""
        folds: list[list[np.ndarray]] = [[] for _ in range(self.n_networks)]
        for kind in (member, ~member):
            rows = rng.permutation(np.flatnonzero(kind))
            size = int(self.validation_fraction * len(rows))
            for k, fold in enumerate(folds):
                fold.append(np.roll(rows, -k * size)[:size])
        if min(len(part) for part in folds[0]) < _LEAST_HELD_OUT:
            return [np.array([], dtype=np.intp)] * self.n_networks
        return [np.concatenate(fold) for fold in folds]

    def _train(
        self, data: Batch, goal: Tensor, held_out: np.ndarray, rng: np.random.RandomState
    ) -> tuple[nn.Module, int]:
        encoder = Encoder(
            data.take(slice(2)), self.component_size, tuple(self.hidden_sizes), self.dropout
        )
        network = _Network(encoder).to(goal.device)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        kept = np.setdiff1d(np.arange(len(goal)), held_out)
        best, best_epoch, best_loss = None, self.max_epochs, np.inf
        for epoch in range(self.max_epochs):
            network.train()
            for places in batches(len(kept), self.batch_size, rng):
                rows = torch.as_tensor(kept[places], device=goal.device)
                loss = F.binary_cross_entropy_with_logits(network(data.take(rows)), goal[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if len(held_out):
                answer = torch.as_tensor(_answer(network, data, held_out))
                loss_there = float(
                    F.binary_cross_entropy_with_logits(answer, goal[held_out].cpu().double())
                )
                if loss_there < best_loss:
                    best = {name: p.clone() for name, p in network.state_dict().items()}
                    best_epoch, best_loss = epoch + 1, loss_there
                elif epoch + 1 - best_epoch >= self.patience:
                    break
        if best is not None:
            network.load_state_dict(best)
        return network.eval(), best_epoch

    def _score(self, table: Reader) -> np.ndarray:
        score = self._answers(table).mean(axis=0)
        return np.where(self._components.blank(table), np.nan, score)

    @torch.no_grad()
    def _answers(self, table: Reader) -> np.ndarray:
        """Return each network's answers, of shape (n_networks, n_records)."""
        answers = [np.zeros((len(self._networks), 0))]
        for inputs in self._components(table, np.float64):
            batch = Batch.of([inputs], "cpu")
            answered = [
                network(_what_is_read(batch, k)).numpy() for k, network in enumerate(self._networks)
            ]
            answers.append(np.stack(answered))
        return np.concatenate(answers, axis=1)
