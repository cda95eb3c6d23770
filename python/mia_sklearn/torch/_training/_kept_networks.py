"""Reference networks that are kept, to be updated with one record more, all at once."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._process._progress import progress_bar
from ...references._job import Job
from .._targets._inputs import as_input
from ._chunks import Alone, Stacked, shuffled
from ._ensemble import Ensemble
from ._machine import in_threads, n_cores, torch_threads

__all__ = ["KeptNetworks"]

_ANSWERS_AT_ONCE = 2**16


class KeptNetworks:
    """Networks of one kind, trained together and kept.

    Parameters
    ----------
    ensemble : Ensemble
        Its first table holds the records that may be trained on.
    chunks : list of (ndarray of shape (n_models, n_rows), Stacked or Alone)
        Training sets and models.
    cores : int
    """

    def __init__(self, ensemble: Ensemble, chunks: list[Any], cores: int) -> None:
        self.ensemble, self.chunks, self.cores = ensemble, chunks, cores
        #: Whether queries can be improved by following gradients.
        self.gradients = ensemble.tables[0].is_floating_point()

    @classmethod
    def trained(
        cls,
        job: Job,
        rows: list[np.ndarray],
        seeds: np.ndarray,
        *,
        n_jobs: int | None,
        progress: bool,
    ) -> KeptNetworks | str:
        """Train networks, or return why they cannot be trained as one.

        Parameters
        ----------
        job : Job
        rows : list of ndarray of int
            Each network's training set.
        seeds : ndarray of shape (n_models,)
        n_jobs : int or None
            Cores; None for as many as torch uses.
        progress : bool

        Raises
        ------
        ValueError
            If a network diverges.
        """
        ensemble = Ensemble(job.estimator, [job.table], job.learned, job.n_records)
        if ensemble.reason:
            return ensemble.reason
        cores = n_cores(n_jobs)
        used = [ensemble.used(own, int(seed)) for own, seed in zip(rows, seeds, strict=True)]
        kept = cls(ensemble, [], cores)
        total = len(seeds) * ensemble.net.max_epochs
        bar = progress_bar(total=total, desc="reference models", unit="epoch", disable=not progress)
        with bar:

            def train(models: np.ndarray) -> Any:
                own = np.stack([used[model] for model in models])
                chunk, lost = ensemble.fit_chunk(own, seeds[models], bar.update)
                if lost.any():
                    model = models[lost > 0][0]
                    raise ValueError(
                        f"Reference model {model} diverged: its loss became NaN in epoch "
                        f"{lost[lost > 0][0]}. Lower the learning rate, or clip the gradients."
                    )
                return own, chunk

            kept.chunks = kept._each(train, _split(used, ensemble))
        return kept

    def log_posteriors(self, X: Any) -> np.ndarray:
        """Return the log-posteriors of all networks, (n_models, n_records, n_classes), float32."""
        x = self._tensor(X)
        return np.concatenate(self._each(lambda kept: self._answers(kept[1], x), self.chunks))

    def _answers(self, chunk: Stacked | Alone, x: Tensor) -> np.ndarray:
        step = max(1, _ANSWERS_AT_ONCE // len(chunk.seeds))
        with torch.no_grad():
            parts = [self._log_posteriors(chunk, x[k : k + step]) for k in range(0, len(x), step)]
        return torch.cat(parts, dim=1).float().numpy()

    def with_record(self, x: Any, code: int, *, epochs: int) -> tuple[KeptNetworks, KeptNetworks]:
        """Return the networks updated with a record in every batch, and updated without it.

        Both see the same batches of their own training sets, for `epochs` passes, so that nothing
        but the record `x`, of the class numbered `code`, tells them apart.
        """
        ensemble = copy.copy(self.ensemble)
        ensemble.tables = [torch.cat([self.ensemble.tables[0], self._tensor(x)])]
        own = torch.as_tensor([code], dtype=ensemble.y.dtype, device=ensemble.device)
        ensemble.y = torch.cat([ensemble.y, own])
        sides = []
        for record in (len(ensemble.y) - 1, None):
            update = partial(_updated, ensemble=ensemble, record=record, epochs=epochs)
            chunks = self._each(update, self.chunks)
            sides.append(KeptNetworks(ensemble, chunks, self.cores))
        return sides[0], sides[1]

    def improve(
        self,
        outside: KeptNetworks,
        X: np.ndarray,
        label: int,
        *,
        space: Any,
        margin: float,
        n_steps: int,
        rate: float,
    ) -> np.ndarray:
        """Move queries within the feature space to where these networks answer more than others.

        Parameters
        ----------
        outside : KeptNetworks
            The networks to differ from.
        X : ndarray of shape (n_queries, ...)
        label : int
            Position of the class whose posterior counts.
        space : FeatureSpace
        margin : float
            The hinge: a pair of networks that differ by more is content.
        n_steps : int
        rate : float
            Length of a step, in ranges of the features.

        Returns
        -------
        ndarray of shape (n_queries, ...)
            Inside the ranges; not yet on the values that features can take.
        """
        x = self._tensor(X)
        low, high = (
            torch.as_tensor(end, dtype=x.dtype, device=x.device).reshape(x.shape[1:])
            for end in space.limits()
        )
        span = high - low
        place = torch.where(span > 0, (x - low) / span, torch.zeros_like(x)).clamp(0, 1)
        place.requires_grad_()
        optimizer = torch.optim.Adam([place], lr=rate)
        for _ in range(n_steps):
            place.grad = torch.zeros_like(place)
            for (_, inside), (_, without) in zip(self.chunks, outside.chunks, strict=True):
                query = low + place * span
                gain = (
                    self._log_posteriors(inside, query)[..., label].exp()
                    - self._log_posteriors(without, query)[..., label].exp()
                )
                loss = (margin - gain).clamp(min=0).sum()
                # By the queries alone: the networks' own gradients cost as much again.
                place.grad += torch.autograd.grad(loss, place)[0]
            optimizer.step()
            with torch.no_grad():
                place.clamp_(0, 1)
        return (low + place * span).detach().cpu().numpy()

    def _log_posteriors(self, chunk: Stacked | Alone, x: Tensor) -> Tensor:
        outputs = chunk.outputs(x)
        # On the CPU: some devices know no double precision.
        answers = self.ensemble.target.log_posteriors(outputs.flatten(0, 1).cpu().double())
        return answers.reshape(*outputs.shape[:2], -1)

    def _tensor(self, X: Any) -> Tensor:
        return torch.as_tensor(as_input(X, self.ensemble.target.dtype), device=self.ensemble.device)

    def _each(self, work: Any, chunks: list[Any]) -> list[Any]:
        side_by_side = 1 if self.ensemble.stacked else self.cores
        with torch_threads(self.cores // side_by_side):
            return list(in_threads(work, chunks, side_by_side))


def _updated(kept: Any, ensemble: Ensemble, record: int | None, epochs: int) -> Any:
    """Go on training a copy of a chunk, with a record more in every batch.

    Without a record each model sees one of its own records twice: a batch of another size would
    give the others another weight.
    """
    rows, chunk = kept
    twin = chunk.twin()
    twin.ensemble = ensemble
    n = rows.shape[1]
    batch = n if ensemble.batch_size == -1 else ensemble.batch_size
    records = torch.as_tensor(rows, device=ensemble.device)
    step = ensemble.net.max_epochs * -(-n // batch)
    for _ in range(epochs):
        # The second order is where the records come from that stand in for one.
        orders = [
            torch.gather(records, 1, torch.stack(places).to(ensemble.device))
            for places in ([shuffled(n, g) for g in twin.generators] for _ in range(2))
        ]
        for start in range(0, n, batch):
            own = orders[0][:, start : start + batch]
            added = orders[1][:, [start // batch]]
            if record is not None:
                added = torch.full_like(added, record)
            twin.step(torch.cat([own, added], dim=1), step)
            step += 1
    return rows, twin


def _split(used: list[np.ndarray], ensemble: Ensemble) -> list[np.ndarray]:
    """Return the models that train together: with equally many records, and within memory."""
    sizes = np.array([len(own) for own in used])
    chunks = []
    for size in np.unique(sizes):
        models = np.flatnonzero(sizes == size)
        most = ensemble.chunk_size(int(size))
        chunks += [models[k : k + most] for k in range(0, len(models), most)]
    return chunks
