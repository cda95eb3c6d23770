"""Generative adversarial networks as one skorch net."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, validate_parameter_constraints
from sklearn.utils.validation import validate_data
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from ..._models._collapse import collapse_of
from ..._models._random import seeded
from .._targets._inputs import check_device
from ._adversarial_net import AdversarialNet

__all__ = ["GAN"]

_RECORDS_AT_ONCE = 1024
# Numbers in the per-record gradients that are held at a time, about 64 MB.
_GRADIENTS_AT_ONCE = 2**24
_SAMPLES_FOR_COLLAPSE = 1000
# Scores that differ by no more than this share are equal but for rounding.
_CONSTANT = 1e-6


class GAN(AdversarialNet):
    """A generative adversarial network: a generator of records, and who tells them from real ones.

    One skorch net with two modules and two optimizers. It is trained on records without labels and
    then draws new ones by `sample`.

    Threat model: a target, not an attack. Who sees the samples alone attacks as *generator*; who
    has the discriminator too, by `discriminator_score` and `discriminator_gradient_norm`, as
    *white-box*.

    Parameters
    ----------
    generator_module : class or function that makes a torch.nn.Module, default=None
        Its module turns noise of shape (n, latent_dim) into records. By default layers of 256
        units for vectors, a few convolutions for records of shape (channels, height, width). It
        is made with those of `latent_dim` and `record_shape` that it takes, and what is given
        as ``generator_module__...``.
    discriminator_module : class or function that makes a torch.nn.Module, default=None
        Its module answers records with logits of shape (n,) or (n, 1): higher means real. Made
        with `record_shape` where it takes that, and ``discriminator_module__...``.
    latent_dim : int, default=64
        Numbers of noise per sample, standard normal ones.
    generator_optimizer, discriminator_optimizer : torch.optim.Optimizer class, default=None
        By default Adam with momentum 0.5. Options as ``generator_optimizer__...`` and
        ``discriminator_optimizer__...``.
    lr : float, default=2e-4
        Learning rate of both.
    n_discriminator_steps : int, default=1
        Steps of the discriminator, each on a new batch, before each one of the generator.
    criterion : torch.nn.Module class, default=torch.nn.BCEWithLogitsLoss
        Compares logits with 1 (real) and 0 (a sample). The default is the non-saturating loss.
    max_epochs : int, default=200
        Times that the discriminator sees each record. Memorising takes many.
    batch_size : int, default=64
        Records per step; -1 for all.
    random_state : int, RandomState instance or None, default=None
        Seeds the first weights, the batches and the noise of training. What other random numbers
        the process draws neither matters nor changes.
    device : str or torch.device, default="cpu"
    callbacks : list of skorch callbacks, default=None
    verbose : int, default=0
        1 prints a line per epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from what was learned.
    train_split : callable, default=None
        skorch's: records apart, on which the discriminator's loss is noted as ``valid_loss``.
    iterator_train__shuffle : bool, default=True
        Whether each epoch takes the records in another order.
    **kwargs
        Other parameters of skorch's `NeuralNet`.

    Attributes
    ----------
    generator_module_, discriminator_module_ : torch.nn.Module
    generator_optimizer_, discriminator_optimizer_ : torch.optim.Optimizer
    record_shape_ : tuple of int
        Shape of one record.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.
    history : skorch History
        Per epoch ``train_loss``, the discriminator's, and ``generator_loss``.

    Raises
    ------
    ValueError
        By `fit`, where X holds NaN, text or fewer than two records; a module is an instance,
        makes records of another shape or several answers to one; or a loss became NaN.

    See Also
    --------
    MembershipCurve : What an attacker learns from it, epoch by epoch.

    Notes
    -----
    Behind a scaler, as in ``make_pipeline(StandardScaler(), GAN())``, samples and scores are of
    scaled records: transform records before they are scored, and samples back by the scaler's
    `inverse_transform`.

    Checkpoints name both parts: ``Checkpoint(f_params=None, f_optimizer=None, f_criterion=None,
    f_generator_module="generator.pt", f_discriminator_module="discriminator.pt")``, and likewise
    ``save_params`` and ``load_params``. skorch's schedulers of learning rates act on a net's only
    optimizer, which a GAN has not.

    Differs from the paper in Adam for gradient descent, and in that every epoch shows each record
    to the discriminator once, where the paper draws batches with replacement.

    References
    ----------
    .. [1] I. Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, algorithm 1.
    .. [2] J. Hayes, L. Melis, G. Danezis, E. De Cristofaro, "LOGAN: Membership Inference Attacks
       Against Generative Models", PoPETs 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.torch import GAN
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> gan = GAN(max_epochs=5, random_state=0).fit(X)
    >>> gan.sample(4, random_state=0).shape
    (4, 3)
    >>> gan.discriminator_score(X).shape
    (60,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "n_discriminator_steps": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        generator_module: Any = None,
        discriminator_module: Any = None,
        *,
        latent_dim: int = 64,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        lr: float = 2e-4,
        n_discriminator_steps: int = 1,
        criterion: Any = nn.BCEWithLogitsLoss,
        max_epochs: int = 200,
        batch_size: int = 64,
        random_state: Any = None,
        device: Any = "cpu",
        callbacks: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        train_split: Any = None,
        iterator_train__shuffle: bool = True,
        **kwargs: Any,
    ) -> None:
        self.generator_module = generator_module
        self.discriminator_module = discriminator_module
        self.latent_dim = latent_dim
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.n_discriminator_steps = n_discriminator_steps
        self.random_state = random_state
        super().__init__(
            None,
            criterion,
            optimizer=None,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            callbacks=callbacks,
            verbose=verbose,
            warm_start=warm_start,
            train_split=train_split,
            iterator_train__shuffle=iterator_train__shuffle,
            **kwargs,
        )

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> GAN:
        """Train generator and discriminator.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)
        y : None
            Ignored.
        **fit_params
            Passed to `train_split`, where there is one.

        Returns
        -------
        self
        """
        return self._train(X, self.warm_start and self.initialized_, fit_params)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> GAN:
        """Train on from where the training stands, for `max_epochs` more.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)
        y, classes : None
            Ignored.
        **fit_params
            Passed to `train_split`, where there is one.

        Returns
        -------
        self
        """
        return self._train(X, self.initialized_, fit_params)

    def _train(self, X: Any, goes_on: bool, fit_params: dict[str, Any]) -> GAN:
        X = self.begin(X, goes_on=goes_on)
        with seeded(self.next_seed()):
            return super().partial_fit(X, None, **fit_params)

    def begin(self, X: Any, *, goes_on: bool = False) -> np.ndarray:
        """Check the parameters and the records, and draw the first weights.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)
        goes_on : bool, default=False
            Whether the weights stay as they are.

        Returns
        -------
        ndarray of shape (n_records, ...), float32
        """
        names = self._parameter_constraints
        validate_parameter_constraints(
            names, {name: getattr(self, name) for name in names}, caller_name=type(self).__name__
        )
        check_device(self.device)
        X = self._records(X, reset=not goes_on)
        if not goes_on:
            self.initialize()
        return X

    def initialize(self) -> GAN:
        # With the weights that `random_state` gives them.
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.rng_ = np.random.default_rng(seed)
        super().initialize()
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return bool(getattr(self, "initialized_", False))

    def next_seed(self) -> int:
        """Return the seed of what is drawn next.

        Returns
        -------
        int
        """
        return int(self.rng_.integers(2**31 - 1))

    def _records(self, X: Any, *, reset: bool = False, at_least: int = 1) -> np.ndarray:
        """Return records as numbers of the shape that is known, or make theirs the known one."""
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=np.float32,
            order="C",
            allow_nd=True,
            ensure_min_samples=2 if reset else at_least,
        )
        if reset:
            self.record_shape_ = X.shape[1:]
        elif X.shape[1:] != self.record_shape_:
            raise ValueError(
                f"X holds records of shape {X.shape[1:]}, but this GAN was trained on records of "
                f"shape {self.record_shape_}."
            )
        # torch warns of arrays that it could not write to, and writes to none.
        return X if X.flags.writeable else X.copy()

    @torch.no_grad()
    def sample(self, n: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw records.

        Parameters
        ----------
        n : int, default=1
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray of shape (n, ...), float32
        """
        self.check_is_fitted()
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a whole number of at least 1, got {n!r}.")
        generator = torch.Generator()
        generator.manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        self._set_training(False)
        noise = self.noise(int(n), generator)
        parts = [self.generator_module_(part).cpu() for part in noise.split(_RECORDS_AT_ONCE)]
        return torch.cat(parts).float().numpy()

    @torch.no_grad()
    def discriminator_score(self, X: Any) -> np.ndarray:
        """Ask the discriminator: the signal of the white-box attack of LOGAN.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,), float64
            Logits, higher means real: log D(x) - log(1 - D(x)).
        """
        self.check_is_fitted()
        records = torch.from_numpy(self._records(X))
        self._set_training(False)
        answers = [self.infer(part).cpu() for part in records.split(_RECORDS_AT_ONCE)]
        return torch.cat(answers).double().numpy()

    def discriminator_gradient_norm(self, X: Any) -> np.ndarray:
        """Measure how much each record would still move the discriminator.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,), float64
            Euclidean norm of the gradient of log D(x) by the discriminator's parameters: lower
            for records that it was trained on.
        """
        self.check_is_fitted()
        records = torch.from_numpy(self._records(X))
        self._set_training(False)
        module = self.discriminator_module_
        learned = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}

        def log_d(parameters: dict[str, Tensor], record: Tensor) -> Tensor:
            return F.logsigmoid(functional_call(module, parameters, (record[None],))).sum()

        gradients = vmap(grad(log_d), in_dims=(None, 0))
        at_once = max(1, _GRADIENTS_AT_ONCE // sum(p.numel() for p in learned.values()))
        norms = []
        for part in records.split(at_once):
            found = gradients(learned, part.to(self.device)).values()
            norms.append(sum(g.double().flatten(1).square().sum(dim=1) for g in found).sqrt().cpu())
        return torch.cat(norms).numpy()

    def collapse(self, X: Any, random_state: Any = 0) -> str:
        """Tell whether the generator's samples are all alike, or the discriminator is constant.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)
            Records that the samples should resemble.
        random_state : int, RandomState instance or None, default=0
            Seeds the samples looked at.

        Returns
        -------
        str
            What is seen, as a sentence; empty when all is well.
        """
        X = self._records(X, at_least=2)
        scores = self.discriminator_score(X)
        if np.ptp(scores) <= _CONSTANT * (1 + np.abs(scores).max()):
            return "The discriminator is constant: it scores every record alike."
        return collapse_of(self.sample(min(len(X), _SAMPLES_FOR_COLLAPSE), random_state), X)
