"""
Has a recurrent network memorised a number?
===========================================

Has a recurrent network memorised a secret that occurs in its training text?

The network below reads characters. It is asked about all of a million numbers in a second, since
numbers that begin alike share the work. Needs the extra "torch".
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mia_sklearn.disclosure import canary_exposure


class Network(nn.Module):
    """The next character, by an LSTM."""

    vocabulary = "\n abcdefghijklmnopqrstuvwxyz0123456789"

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(self.vocabulary), 64)
        self.recurrent = nn.LSTM(64, 64, batch_first=True)
        self.last = nn.Linear(64, len(self.vocabulary))

    def forward(self, symbols, state=None):
        hidden, state = self.recurrent(self.embedding(symbols), state)
        return F.log_softmax(self.last(hidden), dim=-1), state

    # What `canary_exposure` asks for. A line begins after the end of another one; `rows` are the
    # beginnings that are continued, whose state is the second dimension of torch's.
    @torch.no_grad()
    def start(self):
        log_proba, state = self(torch.zeros(1, 1, dtype=torch.long))
        return state, log_proba[:, -1].numpy()

    @torch.no_grad()
    def step(self, state, rows, symbols):
        state = tuple(part[:, torch.from_numpy(rows)] for part in state)
        log_proba, state = self(torch.from_numpy(symbols)[:, None], state)
        return state, log_proba[:, -1].numpy()


rng = np.random.default_rng(0)
torch.manual_seed(0)
people, verbs = ["anna", "omar", "li", "paul"], ["sees", "calls", "pays", "meets"]
lines = [f"{rng.choice(people)} {rng.choice(verbs)} {rng.choice(people)}" for _ in range(400)]
canaries = [f"{number:06}" for number in rng.integers(10**6, size=3)]
for canary, times in zip(canaries, (0, 2, 8), strict=True):
    lines += [f"my number is {canary}"] * times

places = [[Network.vocabulary.index(symbol) for symbol in line] for line in lines]
text = torch.zeros(len(lines), max(map(len, lines)) + 2, dtype=torch.long)
for row, line in zip(text, places, strict=True):
    row[1 : len(line) + 1] = torch.tensor(line)
network = Network()
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for _ in range(15):
    for rows in torch.randperm(len(text)).split(32):
        log_proba, _ = network(text[rows, :-1])
        loss = F.nll_loss(log_proba.flatten(0, 1), text[rows, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

found = canary_exposure(network, "my number is {}{}{}{}{}{}", canaries)
for times, exposure in zip((0, 2, 8), found, strict=True):
    print(f"inserted {times} times: {exposure}")
