"""Federated training on one machine: participants train in turn, a server averages."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from ..._models._kinds import is_net, is_pipeline
from ..._models._random import seeded
from ..._process._docs import Documented
from ..._records._checked import check_records
from ..._records._rows import positions, take_rows
from .._targets._inputs import as_input, check_device
from .._targets._target import TorchTarget
from .._training._nets import net_classes, targets_of
from ._federated_hooks import FederatedObserver, State, as_array, is_finite

__all__ = ["FederatedTraining"]

_PROBE_ROWS = 64
_POSITIVE = Interval(Integral, 1, None, closed="left")


class FederatedTraining(Documented, BaseEstimator):
    """Federated averaging, simulated on one machine, with places for an attacker.

    In each round the server sends the global parameters to every participant, each trains on
    its own records, and the server averages what they send back, weighted by the number of
    their records [1]_. Observers stand at the server or at a participant: they see what passes
    there, and may change it.

    Parameters
    ----------
    net : skorch NeuralNetClassifier or NeuralNetBinaryClassifier
        How each participant trains: module, criterion, optimizer, batch_size, callbacks, device
        and so on are the net's. It is cloned, never fitted. Its `max_epochs` and `train_split`
        are not used: `local_epochs` counts, and participants train on all of their records.
        A module that is given as an instance begins with the parameters that it has.
    n_participants : int, default=4
        Among whom `fit` divides the records, unless it is told who holds which.
    rounds : int, default=10
        Times that the server averages.
    local_epochs : int, default=1
        Passes of each participant over its own records in each round.
    observers : sequence of FederatedObserver, default=()
        Attackers, asked in this order.
    keep_models : bool, default=False
        Keep every round's global model in `models_`. Otherwise only the last one is kept.
    random_state : int, RandomState instance or None, default=None
        Divides the records and seeds the initial parameters and each participant's shuffling
        and dropout, for each round anew. The global generators of torch and NumPy stay as they
        are.
    progress : bool, default=False
        Show progress and the time left on standard error.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the module's columns.
    participants_ : list of ndarray of int
        Rows of each participant.
    target_ : TorchTarget
        The global model after the last round, a target for `audit` and `observe`.
    history_ : DataFrame
        One row per round: `round`, and `loss` and `accuracy` of its global model on the records
        of all participants.
    models_ : list of TorchTarget
        The global model after each round; only with `keep_models`.

    Raises
    ------
    ValueError
        By `fit`, before any training, if the net is no skorch classifier, its device is absent,
        or participants share records, hold none, or hold rows that there are not; during it, if
        a participant's parameters are no longer finite.

    See Also
    --------
    GlobalObserver : An attacker at the server.
    LocalObserver : An attacker among the participants.

    Notes
    -----
    Each participant keeps its optimizer's state (momentum) and its learning-rate schedule from
    round to round, so one participant alone trains exactly as the net's own `fit` with
    rounds x local_epochs epochs. Buffers are averaged like parameters (the statistics of batch
    normalisation); of those that are not floating-point, such as counts of batches, the first
    participant's are kept. A criterion's own parameters stay with each participant.

    References
    ----------
    .. [1] H. B. McMahan et al., "Communication-Efficient Learning of Deep Networks from
       Decentralized Data", AISTATS 2017, algorithm 1 with all participants in every round.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from mia_sklearn.torch import FederatedTraining
    >>> X = np.random.default_rng(0).normal(size=(120, 5))
    >>> y = np.where(X[:, 0] > 0, "yes", "no")
    >>> net = NeuralNetClassifier(
    ...     nn.Linear, module__in_features=5, module__out_features=2,
    ...     criterion=nn.CrossEntropyLoss, lr=0.5)
    >>> training = FederatedTraining(net, 3, rounds=10, random_state=0).fit(X, y)
    >>> bool(training.history_["accuracy"].iloc[-1] > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "net": "no_validation",
        "n_participants": [_POSITIVE],
        "rounds": [_POSITIVE],
        "local_epochs": [_POSITIVE],
        "observers": [list, tuple],
        "keep_models": ["boolean"],
        "random_state": ["random_state"],
        "progress": ["boolean"],
    }

    def __init__(
        self,
        net: Any,
        n_participants: int = 4,
        *,
        rounds: int = 10,
        local_epochs: int = 1,
        observers: Sequence[FederatedObserver] = (),
        keep_models: bool = False,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.net = net
        self.n_participants = n_participants
        self.rounds = rounds
        self.local_epochs = local_epochs
        self.observers = observers
        self.keep_models = keep_models
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any, participants: Any = None) -> FederatedTraining:
        """Train for all rounds.

        Parameters
        ----------
        X : table of shape (n_records, ...)
        y : array-like of shape (n_records,)
            Labels of any type.
        participants : sequence of array-like of int, default=None
            Rows of `X` that each participant holds; rows that nobody holds are not trained on.
            By default all rows, divided at random into equal parts.

        Returns
        -------
        self
        """
        self._check_parameters()
        table, labels = check_records(X, y)
        rng = check_random_state(self.random_state)
        if participants is None:
            parts = _equal_parts(len(labels), self.n_participants, rng)
        else:
            parts = _checked_parts(participants, len(labels))
        seed = int(rng.randint(2**31 - 1))
        records = as_array(table)
        self.classes_ = net_classes(self.net, records[:_PROBE_ROWS], labels)
        codes = positions(labels, self.classes_)
        if (codes < 0).any():
            unknown = labels[codes < 0].tolist()[0]
            raise ValueError(f"y holds the label {unknown!r}, which the net's classes do not name.")
        with seeded(_stream(seed)):
            nets = [_local_net(self.net) for _ in parts]
            records = as_input(records, next(nets[0].module_.parameters()).dtype)
            # A DataLoader, which this asks through, draws from the global generator.
            read_as = TorchTarget.from_estimator(nets[0], records[:_PROBE_ROWS])
        self.participants_ = parts
        self.target_ = _wrapped(copy.deepcopy(nets[0].module_), read_as, self.classes_)
        scratch = copy.deepcopy(self.target_)
        for observer in self.observers:
            observer.begin(scratch, len(parts), self.rounds)
        held = [(take_rows(records, p), targets_of(nets[0], codes[p])) for p in parts]
        self._run(nets, held, seed, codes, records)
        return self

    def _check_parameters(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        net = self.net
        if not is_net(net) or is_pipeline(net) or not hasattr(type(net), "classes_"):
            raise ValueError(
                "net must be a skorch NeuralNetClassifier or NeuralNetBinaryClassifier, got "
                f"{net.__name__ if isinstance(net, type) else type(net).__name__}."
            )
        check_device(net.device)
        for observer in self.observers:
            if not isinstance(observer, FederatedObserver):
                raise ValueError(
                    "observers must hold FederatedObserver, such as GlobalObserver(X, y), got "
                    f"{observer!r}."
                )

    def _run(self, nets: Any, held: Any, seed: int, codes: np.ndarray, records: Any) -> None:
        import pandas as pd

        everyone = np.concatenate(self.participants_)
        module = self.target_.module
        state = _snapshot(module)
        rows, self.models_ = [], []
        for number in _with_progress(range(1, self.rounds + 1), self.progress):
            state = self._round(number, state, nets, held, seed)
            for observer in self.observers:
                observer.on_average(number, state)
            module.load_state_dict(state)
            log_proba = self.target_.predict_log_proba(records[everyone])
            loss = -log_proba[np.arange(len(everyone)), codes[everyone]].mean()
            accuracy = (log_proba.argmax(axis=1) == codes[everyone]).mean()
            rows.append((number, loss, accuracy))
            if self.keep_models:
                self.models_.append(copy.deepcopy(self.target_))
        for net, (X, y) in zip(nets, held, strict=True):
            net.notify("on_train_end", X=X, y=y)
        if not self.keep_models:
            del self.models_
        self.history_ = pd.DataFrame(rows, columns=["round", "loss", "accuracy"])

    def _round(self, number: int, state: State, nets: Any, held: Any, seed: int) -> State:
        """Train all participants once and return the average."""
        average = _Average()
        for participant, (net, (X, y)) in enumerate(zip(nets, held, strict=True)):
            sent = state
            for observer in self.observers:
                sent = observer.on_send(number, participant, sent)
            net.module_.load_state_dict(sent)
            with seeded(_stream(seed, participant + 1, number)):
                if number == 1:
                    net.notify("on_train_begin", X=X, y=y)
                net.fit_loop(X, y, epochs=self.local_epochs)
            update = _snapshot(net.module_)
            if not is_finite(update):
                raise ValueError(
                    f"Participant {participant} diverged in round {number}: its parameters are no "
                    "longer finite. Lower the net's lr, or the observers' ascent."
                )
            for observer in self.observers:
                update = observer.on_update(number, participant, update)
            average.add(update, len(y))
        return average.result()


class _Average:
    """A running mean of states, of which no more than one is held at a time."""

    def __init__(self) -> None:
        self.total: State = {}
        self.first: State = {}
        self.weight = 0.0

    def add(self, state: State, weight: float) -> None:
        self.first = self.first or state
        self.weight += weight
        for name, value in state.items():
            if value.is_floating_point():
                term = value.double() * weight
                self.total[name] = self.total[name] + term if name in self.total else term

    def result(self) -> State:
        return {
            name: (self.total[name] / self.weight).to(value.dtype) if name in self.total else value
            for name, value in self.first.items()
        }


def _snapshot(module: Any) -> State:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _local_net(net: Any) -> Any:
    local = clone(net).set_params(train_split=None, verbose=0, warm_start=False)
    return local.initialize()


def _wrapped(module: Any, read_as: TorchTarget, classes: np.ndarray) -> TorchTarget:
    target = TorchTarget(module, classes, outputs=read_as.outputs, device=read_as.device)
    target._nonlinearity = read_as._nonlinearity
    return target


def _stream(*key: int) -> int:
    """Return the seed of one stream of random numbers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _equal_parts(n: int, n_participants: int, rng: np.random.RandomState) -> list[np.ndarray]:
    if n < n_participants:
        raise ValueError(f"n_participants={n_participants}, but X holds {n} records only.")
    return [np.sort(part) for part in np.array_split(rng.permutation(n), n_participants)]


def _checked_parts(participants: Any, n: int) -> list[np.ndarray]:
    parts = [np.asarray(part) for part in participants]
    if not parts:
        raise ValueError("participants is empty: give the rows of at least one.")
    owner = np.full(n, -1)
    for number, part in enumerate(parts):
        if part.ndim != 1 or len(part) == 0 or part.dtype.kind not in "iu":
            raise ValueError(
                f"participants[{number}] must be a list of at least one row, as integers."
            )
        if part.min() < 0 or part.max() >= n:
            raise ValueError(
                f"participants[{number}] holds row {part[(part < 0) | (part >= n)][0]}, but X has "
                f"rows 0 to {n - 1}."
            )
        if len(np.unique(part)) < len(part):
            raise ValueError(f"participants[{number}] holds a row twice.")
        shared = part[owner[part] >= 0]
        if len(shared):
            raise ValueError(
                f"participants[{owner[shared[0]]}] and participants[{number}] both hold row "
                f"{shared[0]}; give each record to one."
            )
        owner[part] = number
    return parts


def _with_progress(rounds: Iterable[int], progress: bool) -> Iterable[int]:
    if not progress:
        return rounds
    from ..._process._progress import progress_bar

    return progress_bar(rounds, desc="federated training", unit="round")
