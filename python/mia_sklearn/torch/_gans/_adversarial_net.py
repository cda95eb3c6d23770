"""Two networks trained in turn, as one skorch net."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor, nn

from ..._models._random import seeded
from .._training._machine import fuses
from ._gan_modules import default_modules

__all__ = ["PARTS", "AdversarialNet"]

PARTS = ("generator", "discriminator")


def _set_lr(net: AdversarialNet, name: str, value: float) -> None:
    """Give both optimizers another learning rate, where they have none of their own."""
    net.lr = value
    for part in PARTS:
        if not hasattr(net, f"{part}_optimizer__lr"):
            for group in getattr(net, f"{part}_optimizer_").param_groups:
                group["lr"] = value


class AdversarialNet(NeuralNet):
    """A generator and a discriminator, their optimizers, and how they are trained.

    A subclass has the parameters `generator_module`, `discriminator_module`,
    `generator_optimizer`, `discriminator_optimizer`, `latent_dim` and `n_discriminator_steps`, and
    gives seeds by `next_seed`.
    """

    latent_dim: int
    n_discriminator_steps: int
    record_shape_: tuple[int, ...]

    def next_seed(self) -> int:
        """Return the next seed that the net's own random numbers give."""
        raise NotImplementedError

    def _get_param_names(self) -> list[str]:
        # What skorch keeps for nets of one module, and for classifiers.
        others = {"module", "optimizer", "predict_nonlinearity"}
        names = super()._get_param_names()
        return [name for name in names if name not in others and not name.startswith("_")]

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("generator_loss", PassthroughScoring(name="generator_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
            ("print_log", PrintLog()),
        ]

    def __repr__(self) -> str:
        known = inspect.signature(type(self)).parameters
        given = [
            f"{name}={value!r}"
            for name, value in sorted(self.get_params(deep=False).items())
            if (value is not known[name].default if name in known else "__" in name)
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    # Where records are told apart these would be taken for a classifier's.
    @property
    def predict(self) -> Any:
        raise AttributeError("A GAN predicts nothing: use sample or discriminator_score.")

    @property
    def predict_proba(self) -> Any:
        raise AttributeError("A GAN predicts nothing: use sample or discriminator_score.")

    def initialize(self) -> AdversarialNet:
        self.n_steps_ = 0
        super().initialize()
        self._check_modules()
        return self

    def initialize_module(self) -> AdversarialNet:
        with seeded(self.next_seed()):
            self.generator_module_ = self._made("generator_module")
            self.discriminator_module_ = self._made("discriminator_module")
        return self

    def _made(self, name: str) -> nn.Module:
        kind, options = getattr(self, name), self.get_params_for(name)
        if isinstance(kind, nn.Module):
            raise ValueError(
                f"{name} is an instance of {type(kind).__name__}, which would keep what it learns "
                f"from one training to the next. Pass the class, and its arguments as {name}__..."
            )
        shape = getattr(self, "record_shape_", options.get("record_shape"))
        if kind is None and shape is None:
            raise ValueError(
                f"The shape of the records is not known before fit: pass {name}__record_shape."
            )
        kind = kind or default_modules(shape)[name != "generator_module"]
        known = {"latent_dim": self.latent_dim, "record_shape": shape}
        taken = inspect.signature(kind).parameters
        return kind(**{key: known[key] for key in known if key in taken} | options)

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> AdversarialNet:
        for part in PARTS:
            learned = getattr(self, f"{part}_module_").named_parameters()
            setattr(self, f"{part}_optimizer_", self.made_optimizer(part, learned))
        self._register_virtual_param("lr", _set_lr)
        return self

    def made_optimizer(self, part: str, learned: Iterable[tuple[str, Tensor]]) -> Any:
        """Return an optimizer of one part's parameters.

        Parameters
        ----------
        part : {"generator", "discriminator"}
        learned : iterable of (str, Tensor)
            The parameters by name.

        Returns
        -------
        torch.optim.Optimizer
        """
        kind = getattr(self, f"{part}_optimizer")
        groups, options = self.get_params_for_optimizer(f"{part}_optimizer", learned)
        if kind is None:
            # More momentum lets the two chase each other.
            kind, options = torch.optim.Adam, {"betas": (0.5, 0.999), **options}
        given = any("fused" in group or "foreach" in group for group in (options, *groups[0]))
        if not given and fuses(kind, torch.device(self.device).type):
            # One pass over the weights in place of one for each operation.
            options["fused"] = True
        return kind(*groups, **options)

    @torch.no_grad()
    def _check_modules(self) -> None:
        """Refuse modules whose answers have another shape."""
        self._set_training(False)
        made = self.generator_module_(torch.zeros(2, self.latent_dim, device=self.device))
        shape = getattr(self, "record_shape_", tuple(made.shape[1:]))
        if tuple(made.shape) != (2, *shape):
            raise ValueError(
                f"generator_module makes records of shape {tuple(made.shape[1:])}, the data's have "
                f"shape {tuple(shape)}."
            )
        self.record_shape_ = tuple(shape)
        answer = self.discriminator_module_(made)
        if answer.shape not in ((2,), (2, 1)):
            raise ValueError(
                "discriminator_module must answer each record with one logit, got shape "
                f"{tuple(answer.shape)} for 2 records."
            )

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw the noise that samples are made of, the same on every device.

        Parameters
        ----------
        n : int
            Samples.
        generator : torch.Generator, default=None
            By default torch's own.

        Returns
        -------
        Tensor of shape (n, latent_dim)
        """
        return torch.randn(n, self.latent_dim, generator=generator).to(self.device)

    def infer(self, x: Any, **fit_params: Any) -> Tensor:
        """Return the discriminator's logits of a batch.

        Parameters
        ----------
        x : Tensor or ndarray of shape (n_records, ...)
        **fit_params
            Not used.

        Returns
        -------
        Tensor of shape (n_records,)
        """
        return self.discriminator_module_(to_tensor(x, device=self.device)).reshape(-1)

    def discriminator_loss(self, records: Tensor, made: Tensor) -> Tensor:
        """Return how badly the discriminator tells records from samples.

        Parameters
        ----------
        records, made : Tensor of shape (n_records, ...)

        Returns
        -------
        Tensor of shape ()
        """
        return self.discriminator_loss_of(self.infer(records), self.infer(made))

    def discriminator_loss_of(self, real: Tensor, false: Tensor) -> Tensor:
        """Return the discriminator's loss, from its logits.

        Parameters
        ----------
        real : Tensor of shape (n_records,)
            Its logits of records.
        false : Tensor of shape (n_samples,)
            Its logits of samples.

        Returns
        -------
        Tensor of shape ()
        """
        return self.criterion_(real, torch.ones_like(real)) + self.criterion_(
            false, torch.zeros_like(false)
        )

    def generator_loss(self, made: Tensor) -> Tensor:
        """Return how well the discriminator recognises samples.

        Parameters
        ----------
        made : Tensor of shape (n_samples, ...)

        Returns
        -------
        Tensor of shape ()
        """
        return self.generator_loss_of(self.infer(made))

    def generator_loss_of(self, false: Tensor) -> Tensor:
        """Return the generator's loss, from the discriminator's logits of its samples.

        Parameters
        ----------
        false : Tensor of shape (n_samples,)

        Returns
        -------
        Tensor of shape ()
        """
        return self.criterion_(false, torch.ones_like(false))

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Train the discriminator on a batch, and the generator behind every few of them.

        Parameters
        ----------
        batch : tuple
            Records, and what goes with them.
        **fit_params
            Not used.

        Returns
        -------
        dict
            The discriminator's ``loss``; ``y_pred`` is None.
        """
        self._set_training(True)
        records = to_tensor(unpack_data(batch)[0], device=self.device)
        with torch.no_grad():
            made = self.generator_module_(self.noise(len(records)))
        loss = self.discriminator_loss(records, made)
        self._descend("discriminator", loss, batch)
        self.n_steps_ += 1
        if self.n_steps_ % self.n_discriminator_steps == 0:
            made = self.generator_module_(self.noise(len(records)))
            of_generator = self.generator_loss(made)
            self._descend("generator", of_generator, batch)
            self.history.record_batch("generator_loss", of_generator.item())
        return {"loss": loss, "y_pred": None}

    def _descend(self, part: str, loss: Tensor, batch: Any) -> None:
        self.check_loss(part, loss)
        module = getattr(self, f"{part}_module_")
        optimizer = getattr(self, f"{part}_optimizer_")
        learned = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        optimizer.zero_grad()
        # The other part's gradients are not needed, and half of the work.
        loss.backward(inputs=[p for _, p in learned])
        self.notify("on_grad_computed", named_parameters=learned, batch=batch, training=True)
        optimizer.step()

    def check_loss(self, part: str, loss: Tensor) -> None:
        """Refuse to go on from a loss that is not finite.

        Parameters
        ----------
        part : {"generator", "discriminator"}
        loss : Tensor of shape ()

        Raises
        ------
        ValueError
            If it is not.
        """
        if not torch.isfinite(loss):
            raise ValueError(
                f"The loss of the {part} became {loss.item()} in epoch {len(self.history)}: lower "
                "lr, or scale the records."
            )

    @torch.no_grad()
    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Return the discriminator's loss on a batch of records that it is not trained on.

        Parameters
        ----------
        batch : tuple
            Records, and what goes with them.
        **fit_params
            Not used.

        Returns
        -------
        dict
            The ``loss``; ``y_pred`` is None.
        """
        self._set_training(False)
        records = to_tensor(unpack_data(batch)[0], device=self.device)
        made = self.generator_module_(self.noise(len(records)))
        return {
            "loss": self.discriminator_loss(records, made),
            "y_pred": None,
        }
