"""The networks that a GAN consists of unless others are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "ConvDiscriminator",
    "ConvGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "default_modules",
]

_SLOPE = 0.2
_LEAST_SIDE = 4


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    """Return linear layers with leaky rectifiers in between."""
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes):
        layers += [nn.Linear(width, following), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers[:-1])


class MLPGenerator(nn.Module):
    """Noise to records that are vectors, or any other shape as one vector.

    Its last layer is linear, whatever the records' range: squashed answers saturate, and the
    samples become alike.
    """

    def __init__(
        self, latent_dim: int, record_shape: Sequence[int], hidden: Sequence[int] = (256, 256)
    ) -> None:
        super().__init__()
        self.record_shape = tuple(record_shape)
        self.layers = _dense([latent_dim, *hidden, math.prod(record_shape)])

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(noise).unflatten(1, self.record_shape)


class MLPDiscriminator(nn.Module):
    """Records to logits, higher for a record than for a sample."""

    def __init__(self, record_shape: Sequence[int], hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__()
        self.layers = _dense([math.prod(record_shape), *hidden, 1])

    def forward(self, records: Tensor) -> Tensor:
        return self.layers(records.flatten(1)).squeeze(1)


class ConvGenerator(nn.Module):
    """Noise to images, drawn at a quarter of their size and twice enlarged."""

    def __init__(self, latent_dim: int, record_shape: Sequence[int], channels: int = 32) -> None:
        super().__init__()
        n_colours, height, width = record_shape
        # Sides that are no multiples of 4 are rounded up on the way and met at the end.
        self.sizes = [(-(-height // 2), -(-width // 2)), (height, width)]
        self.first_shape = (2 * channels, -(-height // 4), -(-width // 4))
        self.first = nn.Linear(latent_dim, math.prod(self.first_shape))
        self.second = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, n_colours, 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        image = F.leaky_relu(self.first(noise), _SLOPE).unflatten(1, self.first_shape)
        image = F.leaky_relu(self.second(F.interpolate(image, size=self.sizes[0])), _SLOPE)
        return self.last(F.interpolate(image, size=self.sizes[1]))


class ConvDiscriminator(nn.Module):
    """Images to logits, higher for a record than for a sample."""

    def __init__(self, record_shape: Sequence[int], channels: int = 32) -> None:
        super().__init__()
        n_colours, height, width = record_shape
        self.first = nn.Conv2d(n_colours, channels, 4, stride=2, padding=1)
        self.second = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)
        self.last = nn.Linear(2 * channels * (height // 2 // 2) * (width // 2 // 2), 1)

    def forward(self, images: Tensor) -> Tensor:
        features = F.leaky_relu(self.first(images), _SLOPE)
        features = F.leaky_relu(self.second(features), _SLOPE)
        return self.last(torch.flatten(features, 1)).squeeze(1)


def default_modules(record_shape: Sequence[int]) -> tuple[type[nn.Module], type[nn.Module]]:
    """Return generator and discriminator: convolutional for images (channels, height, width)."""
    is_image = len(record_shape) == 3 and min(record_shape[1:]) >= _LEAST_SIDE
    return (ConvGenerator, ConvDiscriminator) if is_image else (MLPGenerator, MLPDiscriminator)
