"""A generative adversarial network that knows of some records that they are fake."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._gan import GAN

__all__ = ["InformedGAN"]

_RECORDS_AT_ONCE = 1024


class InformedGAN(GAN):
    """A GAN whose discriminator is shown fake records beside the generator's own.

    Parameters and attributes are those of `GAN`; without labels it is one.

    Threat model: none; a part of attacks on generators.

    See Also
    --------
    mia_sklearn.attacks.LOGANAttack : Trains it on what is known of another generator.

    Notes
    -----
    For each batch of real records as many known fake ones are drawn, with replacement, and
    count as much as the generator's. The generator is trained as in `GAN`.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.torch import InformedGAN
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> y = np.repeat([1, 0], [40, 20])
    >>> InformedGAN(max_epochs=5, random_state=0).fit(X, y).discriminator_score(X).shape
    (60,)
    """

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> InformedGAN:
        """Train generator and discriminator.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)
        y : array-like of bool of shape (n_records,), default=None
            Whether a record is real; all are by default.
        **fit_params
            Passed to `train_split`, where there is one.

        Returns
        -------
        self
        """
        if y is None:
            return super().fit(X, **fit_params)
        real = np.asarray(y).astype(bool)
        X = np.asarray(X, dtype=np.float32)
        if real.shape != (len(X),) or real.all() or not real.any():
            raise ValueError("y must tell of each record whether it is real, and both must occur.")
        self._fakes = torch.from_numpy(X[~real]).to(self.device)
        try:
            return super().fit(X[real], **fit_params)
        finally:
            # Nothing of the attacker's records stays in the model.
            del self._fakes

    @torch.no_grad()
    def discriminator_score(self, X: Any) -> np.ndarray:
        """Ask the discriminator, on the CPU and in double precision.

        In single precision a record's score would depend on which others are asked about.

        Parameters
        ----------
        X : array-like or data frame of numbers of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,), float64
            Logits, higher means real.
        """
        self.check_is_fitted()
        module = copy.deepcopy(self.discriminator_module_).cpu().double().eval()
        records = torch.from_numpy(self._records(X))
        parts = records.split(_RECORDS_AT_ONCE)
        return torch.cat([module(part.double()).reshape(-1) for part in parts]).numpy()

    def discriminator_loss(self, records: Tensor, made: Tensor) -> Tensor:
        """Return how badly the discriminator tells records from samples and known fakes.

        Parameters
        ----------
        records, made : Tensor of shape (n_records, ...)

        Returns
        -------
        Tensor of shape ()
        """
        fakes = getattr(self, "_fakes", None)
        if fakes is not None:
            drawn = torch.randint(len(fakes), (len(records),))
            made = torch.cat([made, fakes[drawn.to(fakes.device)]])
        return super().discriminator_loss(records, made)
