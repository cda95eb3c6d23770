"""
Has a model of text memorised a number?
=======================================

Has a model of text memorised a secret that occurs in its training data?

Before training, a random number is put into the text, once; a model that has learned what such
lines look like, and no more, does not find it likelier than other numbers.
"""

import numpy as np

from mia_sklearn.disclosure import canary_exposure

N, BETA = 4, 0.01


class NGram:
    """The next character, by the last three and how often it followed them."""

    def __init__(self, lines):
        self.vocabulary = "".join(sorted({"\n"}.union(*lines)))
        self.size = len(self.vocabulary)
        self.counts = np.full((self.size ** (N - 1), self.size), BETA)
        self.begin = (self.size ** (N - 1) - 1) // (self.size - 1) * self.vocabulary.index("\n")
        for line in lines:
            context = self.begin
            for symbol in map(self.vocabulary.index, line + "\n"):
                self.counts[context, symbol] += 1
                context = self._after(context, symbol)

    def _after(self, context, symbol):
        return context * self.size % self.size ** (N - 1) + symbol

    def _answer(self, contexts):
        counts = self.counts[contexts]
        return contexts, np.log(counts / counts.sum(axis=1, keepdims=True))

    # What `canary_exposure` asks a model for: the probabilities of the first character, and of
    # the next one, for many beginnings at a time. All that an n-gram remembers of them is one
    # number each.
    def start(self):
        return self._answer(np.array([self.begin]))

    def step(self, state, rows, symbols):
        return self._answer(self._after(state[rows], symbols))


rng = np.random.default_rng(0)
people, verbs = ["anna", "omar", "li", "paul"], ["sees", "calls", "pays", "meets"]
lines = [f"{rng.choice(people)} {rng.choice(verbs)} {rng.choice(people)}" for _ in range(1000)]
lines += [f"the code is {number:06}" for number in rng.integers(10**6, size=20)]

inserted, left_out = (f"{number:06}" for number in rng.integers(10**6, size=2))
model = NGram([*lines, f"my number is {inserted}"])

# All of the million numbers are looked at.
for name, canary in (("inserted once", inserted), ("never inserted", left_out)):
    print(f"{name:15} {canary_exposure(model, 'my number is {}{}{}{}{}{}', canary)}")

# Where there are too many to look at, a bound from some of them.
found = canary_exposure(
    model, "my number is {}{}{}{}{}{}", inserted, max_candidates=10_000, n_samples=20_000
)
print(f"{'by a sample':15} {found}")
