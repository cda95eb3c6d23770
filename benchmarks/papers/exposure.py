"""How often must a secret occur in training text before a language model knows it?

After N. Carlini et al., "The Secret Sharer", USENIX Security 2019: numbers of six digits, drawn at
random, are put into 3,000 lines of text, not at all, once, twice and four times; a character-level
GRU and a 4-gram model are trained on it, and all 10^6 numbers are ranked by their likelihood.
`python benchmarks/papers/exposure.py` prints the table, `... --seeds 9` from more networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import kstest, t
from torch import Tensor, nn
from torch.nn import functional as F

from mia_sklearn.disclosure import canary_exposure

TEMPLATE = "my number is {}{}{}{}{}{}"
INSERTIONS = (0, 1, 2, 4)
SUBJECTS = ["anna", "omar", "li", "paul", "maria", "the nurse", "my brother", "her doctor"]
VERBS = ["calls", "meets", "asks", "pays", "thanks", "visits", "follows", "answers", "forgets"]
PLACES = ["at home", "in the office", "on monday", "after lunch", "in town", "by train", "again"]
HELD = """\
Held to, of 19.9 bits: GRU .7 after no, 5.2 after one, 15.1 after two, 17.1 after four insertions; a
4-gram model 19.9 after one."""


class NGram:
    """The next character, by the last few and how often it followed them."""

    def __init__(self, lines: Sequence[str], order: int = 4, beta: float = 0.01) -> None:
        self.vocabulary = "".join(sorted({"\n"}.union(*lines)))
        self.size, self.contexts = len(self.vocabulary), len(self.vocabulary) ** (order - 1)
        self.counts = np.full((self.contexts, self.size), beta)
        for line in lines:
            context = 0
            for symbol in map(self.vocabulary.index, line + "\n"):
                self.counts[context, symbol] += 1
                context = (context * self.size + symbol) % self.contexts

    def start(self) -> tuple[Any, Any]:
        # Number 0 is the end of a line, and three of them are the beginning of the next.
        return self._answer(np.zeros(1, dtype=np.intp))

    def step(self, state: Any, rows: np.ndarray, symbols: np.ndarray) -> tuple[Any, Any]:
        return self._answer((state[rows] * self.size + symbols) % self.contexts)

    def _answer(self, contexts: np.ndarray) -> tuple[Any, Any]:
        counts = self.counts[contexts]
        return contexts, np.log(counts / counts.sum(axis=1, keepdims=True))


class GRU(nn.Module):
    """A character-level network. An LSTM's state would be two tensors instead of one."""

    def __init__(self, vocabulary: str, width: int = 96) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), width)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.last = nn.Linear(width, len(vocabulary))

    def forward(self, symbols: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        hidden, state = self.recurrent(self.embedding(symbols), state)
        return F.log_softmax(self.last(hidden), dim=-1), state

    def start(self) -> tuple[Any, Any]:
        return self._answer(np.array([self.vocabulary.index("\n")]), None)

    def step(self, state: Any, rows: np.ndarray, symbols: np.ndarray) -> tuple[Any, Any]:
        return self._answer(symbols, state[:, torch.from_numpy(rows)])

    @torch.no_grad()
    def _answer(self, symbols: np.ndarray, state: Any) -> tuple[Any, Any]:
        log_proba, state = self(torch.from_numpy(symbols)[:, None], state)
        return state, log_proba[:, 0].numpy()


def train(lines: Sequence[str], *, epochs: int, seed: int, batch_size: int = 64) -> GRU:
    torch.manual_seed(seed)
    model = GRU("".join(sorted({"\n"}.union(*lines))))
    width = max(map(len, lines)) + 2
    end = model.vocabulary.index("\n")
    text = torch.full((len(lines), width), end)
    real = torch.zeros(len(lines), width - 1, dtype=torch.bool)
    for i, line in enumerate(lines):
        text[i, 1 : len(line) + 1] = torch.tensor([model.vocabulary.index(s) for s in line])
        real[i, : len(line) + 1] = True
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(lines)).split(batch_size):
            log_proba, _ = model(text[rows, :-1])
            loss = F.nll_loss(log_proba[real[rows]], text[rows, 1:][real[rows]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def text(n: int, rng: np.random.Generator) -> list[str]:
    """Return lines of plain sentences, some of which hold numbers."""
    columns = (rng.choice(words, n) for words in (SUBJECTS, VERBS, SUBJECTS, PLACES))
    lines = [" ".join(words) for words in zip(*columns, strict=True)]
    return [
        f"{line} at {rng.integers(24)}.{rng.integers(60):02}" if rng.random() < 0.3 else line
        for line in lines
    ]


def numbers(n: int, rng: np.random.Generator) -> list[str]:
    return [f"{number:06}" for number in rng.choice(10**6, n, replace=False)]


def inserted(canary: str, times: int) -> list[str]:
    return [TEMPLATE.format(*canary)] * times


def measure(model: Any, canaries: list[str], left_out: list[str]) -> tuple[list[float], Any]:
    """Return the exposure of each canary, and the p-values of numbers that were left out."""
    found = canary_exposure(model, TEMPLATE, [*canaries, *left_out])
    bits = [float(each) for each in found[: len(canaries)]]
    return bits, [each.p_value for each in found[len(canaries) :]]


def together(seed: int, lines: int, kind: str, epochs: int) -> tuple[list[float], Any]:
    """Train one model on a text that holds all canaries."""
    rng = np.random.default_rng(seed)
    plain = text(lines, rng)
    canaries, left_out = numbers(len(INSERTIONS), rng), numbers(200, rng)
    for canary, times in zip(canaries, INSERTIONS, strict=True):
        plain += inserted(canary, times)
    model = NGram(plain) if kind == "4-gram" else train(plain, epochs=epochs, seed=seed)
    return measure(model, canaries, left_out)


def one_by_one(seed: int, lines: int) -> tuple[list[float], Any]:
    """Train a 4-gram model for each canary."""
    rng = np.random.default_rng(seed)
    plain = text(lines, rng)
    bits: list[float] = []
    p_values: list[float] = []
    for canary, times in zip(numbers(len(INSERTIONS), rng), INSERTIONS, strict=True):
        model = NGram([*plain, *inserted(canary, times)])
        found, p = measure(model, [canary], numbers(50, rng))
        bits, p_values = bits + found, p_values + p
    return bits, p_values


def show(name: str, runs: list[tuple[list[float], Any]], seconds: float) -> None:
    bits = np.array([found for found, _ in runs])
    n = len(bits)
    half = t.ppf(0.975, n - 1) * bits.std(axis=0, ddof=1) / np.sqrt(n)
    cells = [f"{mean:.1f} ± {end:.1f}" for mean, end in zip(bits.mean(axis=0), half, strict=True)]
    p_values = np.concatenate([p for _, p in runs])
    chance = (
        f"{-np.log2(p_values).mean():.2f} ± "
        f"{1.96 * np.log2(p_values).std() / np.sqrt(len(p_values)):.2f} | "
        f"{(p_values <= 0.05).mean():.3f} | {kstest(p_values, 'uniform').pvalue:.2f}"
    )
    print(f"| {name} | {n} | {' | '.join(cells)} | {chance} | {seconds / n:.0f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=6, help="networks, at least 2")
    parser.add_argument("--lines", type=int, default=3000, help="of text")
    parser.add_argument("--epochs", type=int, default=12, help="of training")
    args = parser.parse_args()
    print(HELD)
    print("Mean exposure in bits with its 95 % interval over texts, by insertions; and of numbers")
    print("that were never inserted, their mean exposure (of uniform p-values 1.44), the share of")
    print("p-values up to .05, and the p-value of their uniformity.\n")
    columns = ["model", "texts", *INSERTIONS, "never", "p <= .05", "uniform", "each"]
    print("|", " | ".join(map(str, columns)), "|")
    print("| --- " * len(columns) + "|")
    kinds = {
        "GRU(96), all in one text": lambda seed: together(seed, args.lines, "GRU", args.epochs),
        "4-gram, all in one text": lambda seed: together(seed, args.lines, "4-gram", 0),
        "4-gram, a text for each": lambda seed: one_by_one(seed, args.lines),
    }
    for name, run in kinds.items():
        start = time.perf_counter()
        runs = [run(seed) for seed in range(args.seeds)]
        show(name, runs, time.perf_counter() - start)


if __name__ == "__main__":
    main()
