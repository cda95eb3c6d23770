"""Memorised sequences: ranks known by brute force, chance where nothing was seen, bad input."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import kstest

from mia_sklearn.disclosure import canary_exposure, exposure


class Bigram:
    """The next symbol by the last one, by chances drawn at random; or told how likely they are."""

    vocabulary = "abc-"

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.first = np.log(rng.dirichlet(np.ones(4)))
        self.then = np.log(rng.dirichlet(np.ones(4), size=4))
        self.asked = []

    def start(self):
        return None, self.first[None]

    def step(self, state, rows, symbols):
        self.asked.append(len(symbols))
        return None, self.then[symbols]

    def __call__(self, sequences):
        codes = np.array([[self.vocabulary.index(symbol) for symbol in s] for s in sequences])
        return self.first[codes[:, 0]] + self.then[codes[:, :-1], codes[:, 1:]].sum(axis=1)


def brute_force(model, template, slots="abc"):
    """Return the rank of every candidate, by looking at all of them."""
    n = template.count("{}")
    values = ["".join(symbols) for symbols in product(slots, repeat=n)]
    likely = model([template.format(*value) for value in values])
    return {v: int((likely >= own - 1e-9).sum()) for v, own in zip(values, likely, strict=True)}


def test_exposure_of_known_ranks():
    nll = [5.0, 1.0, 3.0, 3.0, np.inf, 9.0, 9.0, 10.0]
    found = exposure(nll, range(8))
    # Ties count against memorisation.
    assert [each.rank for each in found] == [4, 1, 3, 3, 8, 6, 6, 7]
    assert [each.p_value for each in found] == [rank / 8 for rank in (4, 1, 3, 3, 8, 6, 6, 7)]
    assert found[1].exposure == 3 == float(found[1])
    assert found[4].exposure == 0
    assert found[0].exact and found[0].low == found[0].high == found[0].exposure == 1
    assert exposure(nll, 2) == found[2]
    assert str(found[0]) == "1.0 of 3.0 bits, rank 4 of 8, p = 0.5"


def test_sums_in_another_order_are_ties():
    terms = np.array([0.1, 0.2, 0.3])
    nll = [terms[0] + terms[1] + terms[2], terms[2] + terms[1] + terms[0]]
    assert nll[0] != nll[1]
    assert [each.rank for each in exposure(nll, [0, 1])] == [2, 2]


@pytest.mark.parametrize("template", ["{}{}{}{}", "a-{}{}-{}", "{}", "c{}b{}{}a", "{}a"])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_ranks_by_prefix_tree_are_those_by_brute_force(template, batch_size):
    model = Bigram()
    ranks = brute_force(model, template)
    values = list(ranks)
    stepped = canary_exposure(model, template, values, slots="abc", batch_size=batch_size)
    assert [each.rank for each in stepped] == list(ranks.values())
    told = canary_exposure(model.__call__, template, values, slots="abc", batch_size=batch_size)
    assert told == stepped


def test_candidates_that_begin_alike_are_asked_about_once():
    model = Bigram()
    canary_exposure(model, "-{}{}{}", "abc", slots="abc")
    # The dash, what may follow it, and what may follow that; the last symbol is but read.
    assert model.asked == [1, 3, 9]


def test_text_after_the_last_slot_counts():
    def log_likelihood(sequences):
        return np.array([-1.0 - (s != "pin 3!") for s in sequences])

    assert canary_exposure(log_likelihood, "pin {}!", "3").rank == 1


def test_each_slot_with_its_own_symbols():
    model = Bigram(1)
    found = canary_exposure(model, "{}-{}", ["ab", "bc"], slots=[["a", "b"], ["c", "b", "-"]])
    likely = {f"{first}{last}": model([f"{first}-{last}"])[0] for first in "ab" for last in "cb-"}
    for each, value in zip(found, ["ab", "bc"], strict=True):
        assert each.n_candidates == 6
        assert each.rank == sum(other >= likely[value] for other in likely.values())


def test_symbols_that_are_no_characters():
    def log_likelihood(sequences):
        assert sequences[0] == ("the", "red", 1)
        return np.array([-float(number) - (colour == "blue") for _, colour, number in sequences])

    slots = [["red", "blue"], [1, 2, 5]]
    template = ["the", None, None]
    assert canary_exposure(log_likelihood, template, ["red", 2], slots=slots).rank == 3
    found = canary_exposure(log_likelihood, template, [("red", 1), ("blue", 5)], slots=slots)
    assert [each.rank for each in found] == [1, 6]


def test_a_memorised_number_among_a_million():
    class Memory:
        """Knows one number, digit by digit; all other digits are equally likely."""

        vocabulary = "0123456789"
        secret = np.array([2, 8, 1, 2, 6, 5])

        def start(self):
            return self._answer(np.zeros(1, dtype=int), np.ones(1, dtype=bool))

        def step(self, state, rows, symbols):
            place, known = state[0][rows], state[1][rows]
            return self._answer(place + 1, known & (symbols == self.secret[place]))

        def _answer(self, place, known):
            chances = np.full((len(place), 10), 0.1)
            chances[known] = 0.05
            chances[known, self.secret[place[known] % 6]] = 0.55
            return (place, known), np.log(chances)

    template = "{}{}{}{}{}{}"
    found = canary_exposure(Memory(), template, ["281265", "281264", "993412"])
    assert [each.rank for each in found] == [1, 10, 1_000_000]
    assert found[0].exposure == pytest.approx(np.log2(10**6))
    # Too many to look at: never more than the sample supports.
    drawn = canary_exposure(
        Memory(), template, "281265", max_candidates=10, n_samples=2000, random_state=0
    )
    assert not drawn.exact and drawn.rank is None and drawn.n_drawn == 2000
    assert drawn.p_value == 1 / 2001
    assert drawn.low == pytest.approx(-np.log2(1 - 0.025 ** (1 / 2000)))
    assert drawn.exposure == pytest.approx(np.log2(2001))
    assert drawn.high == pytest.approx(np.log2(10**6))
    assert str(drawn).startswith("at least 9.1 of 19.9 bits")


def test_bounds_hold_the_exact_exposure():
    model, template, values = Bigram(2), "{}{}{}{}", ["aaaa", "abca", "bcab", "cccc"]
    exact = canary_exposure(model, template, values, slots="abc")
    options = {"slots": "abc", "max_candidates": 1, "n_samples": 100}
    missed = []
    for seed in range(200):
        bounds = canary_exposure(model, template, values, random_state=seed, **options)
        missed.append(
            [
                not bound.low <= each.exposure <= bound.high
                for each, bound in zip(exact, bounds, strict=True)
            ]
        )
    # Clopper and Pearson's limits miss in 5 % of cases at most; 4.5 deviations of the count.
    assert np.max(np.mean(missed, axis=0)) <= 0.12
    assert np.mean(missed) > 0


def test_the_same_seed_draws_the_same_candidates():
    options = {"slots": "abc", "max_candidates": 1, "n_samples": 50}
    one, again, other = (
        canary_exposure(Bigram(), "{}{}{}{}", "abca", random_state=seed, **options)
        for seed in (0, 0, 1)
    )
    assert one == again != other


@pytest.mark.parametrize("max_candidates", [10**6, 1])
def test_numbers_that_were_never_seen_are_at_chance(max_candidates):
    rng = np.random.default_rng(0)
    p_values = []
    for seed in range(200):
        value = "".join(rng.choice(list("abc"), 6))
        found = canary_exposure(
            Bigram(seed),
            "{}{}{}{}{}{}",
            value,
            slots="abc",
            max_candidates=max_candidates,
            n_samples=300,
            random_state=seed,
        )
        p_values.append(found.p_value)
    assert kstest(p_values, "uniform").pvalue > 0.01
    # The mean exposure of a uniform rank is log2(e), its deviation as much.
    assert abs(-np.log2(p_values).mean() - np.log2(np.e)) < 4 * np.log2(np.e) / np.sqrt(200)


def test_a_network_is_asked_as_an_n_gram_is():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Network(torch.nn.Module):
        vocabulary = "abc-"

        def __init__(self):
            super().__init__()
            self.recurrent = torch.nn.LSTM(4, 8, batch_first=True)
            self.last = torch.nn.Linear(8, 4)

        @torch.no_grad()
        def answer(self, symbols, state=None):
            one_hot = torch.eye(4)[torch.as_tensor(symbols)]
            hidden, state = self.recurrent(one_hot, state)
            return torch.log_softmax(self.last(hidden), dim=-1), state

        def start(self):
            log_proba, state = self.answer([[3]])
            return state, log_proba[:, -1]

        def step(self, state, rows, symbols):
            state = tuple(part[:, torch.as_tensor(rows)] for part in state)
            log_proba, state = self.answer(symbols[:, None], state)
            return state, log_proba[:, -1]

        def log_likelihood(self, sequences):
            codes = np.array([[self.vocabulary.index(symbol) for symbol in s] for s in sequences])
            begun = np.hstack([np.full((len(codes), 1), 3), codes[:, :-1]])
            log_proba, _ = self.answer(begun)
            return np.take_along_axis(log_proba.numpy(), codes[:, :, None], 2).sum(axis=(1, 2))

    network = Network()
    values = ["".join(value) for value in product("abc", repeat=3)]
    stepped = canary_exposure(network, "a{}-{}{}b", values, slots="abc", batch_size=10)
    told = canary_exposure(network.log_likelihood, "a{}-{}{}b", values, slots="abc")
    assert [each.rank for each in stepped] == [each.rank for each in told]


class Odd(Bigram):
    """A model that answers `answer` to everything."""

    def __init__(self, answer, vocabulary="abc-"):
        self.answer, self.vocabulary = np.asarray(answer, dtype=float), vocabulary

    def start(self):
        return None, self.answer

    def step(self, state, rows, symbols):
        return None, np.repeat(self.answer, len(rows), axis=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": "my number is 12"}, "template has no slot"),
        ({"template": ["a", "b"]}, "template has no slot"),
        ({"values": "ab"}, "of 2 symbols, but template has 3 slots"),
        ({"values": "abx"}, "symbol 'x' is none of those of slot 2"),
        ({"values": []}, "values holds no canary"),
        ({"slots": "aab"}, "slots must list different symbols"),
        ({"slots": ""}, "slots must list different symbols"),
        ({"slots": "a", "values": "aaa"}, "slots leave a single candidate"),
        ({"slots": [["a"], ["b", "c"]]}, "slots lists the symbols of 2 slots, .* has 3"),
        ({"slots": "abcd"}, "symbol 'd' is not in the vocabulary"),
        ({"template": "A{}{}{}"}, "symbol 'A' is not in the vocabulary"),
        ({"model": "a model"}, "model must be a function .*, got str"),
        ({"model": Odd([[0.0, 0, 0, 0]])}, "do not sum to 1: .* log_softmax"),
        ({"model": Odd(np.log([0.25] * 4))}, r"shape \(1, 4\), .* got \(4,\)"),
        ({"model": Odd([[np.nan] * 4])}, "do not sum to 1"),
        ({"model": lambda sequences: [0.5] * len(sequences)}, "above 0.*with a minus"),
        ({"model": lambda sequences: [np.nan] * len(sequences)}, "log-likelihood is NaN"),
        ({"model": lambda sequences: [-1.0]}, "one log-likelihood per sequence"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"max_candidates": "many"}, "max_candidates must be a whole number"),
        ({"confidence": 1}, "confidence"),
    ],
)
def test_bad_input_is_named(change, message):
    options = {"model": Bigram(), "template": "{}{}{}", "values": "abc", "slots": "abc"} | change
    with pytest.raises(ValueError, match=message):
        canary_exposure(**options)


def test_a_model_without_its_symbols():
    class Silent:
        def start(self):
            return None, np.log([[0.5, 0.5]])

        step = None

    with pytest.raises(ValueError, match="no vocabulary"):
        canary_exposure(Silent(), "{}", "a", slots="ab")


@pytest.mark.parametrize(
    ("nll", "index", "message"),
    [
        ([1.0], 0, "at least two candidates"),
        ([[1.0, 2.0]], 0, "at least two candidates"),
        ([1.0, np.nan], 0, "holds NaN"),
        ([1.0, -np.inf], 0, "minus infinity"),
        ([1.0, 2.0], 2, "index must be whole numbers from 0 to 1, got 2"),
        ([1.0, 2.0], -1, "index must be whole numbers"),
        ([1.0, 2.0], 0.5, "index must be whole numbers"),
    ],
)
def test_bad_likelihoods_are_named(nll, index, message):
    with pytest.raises(ValueError, match=message):
        exposure(nll, index)
