"""Parts of generative adversarial networks whose answers are known in closed form."""

import torch
from torch import nn


class Constant(nn.Module):
    """Makes the same record of any noise."""

    def __init__(self, record_shape):
        super().__init__()
        self.record = nn.Parameter(torch.linspace(-1, 1, record_shape[0]))

    def forward(self, noise):
        return self.record.expand(len(noise), -1)


class Affine(nn.Module):
    """Makes normally distributed records."""

    def __init__(self, latent_dim, record_shape):
        super().__init__()
        self.layer = nn.Linear(latent_dim, record_shape[0])

    def forward(self, noise):
        return self.layer(noise)


class Normalised(Affine):
    def __init__(self, latent_dim, record_shape):
        super().__init__(latent_dim, record_shape)
        self.norm = nn.BatchNorm1d(latent_dim)

    def forward(self, noise):
        return super().forward(self.norm(noise))


class Logistic(nn.Module):
    """A logistic regression as discriminator; one that drops features, if asked to."""

    def __init__(self, record_shape, dropout=0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.layer = nn.Linear(record_shape[0], 1)

    def forward(self, records):
        return self.layer(self.drop(records))
