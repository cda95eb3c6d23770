"""Federated training, the attackers in it, and the attack on what they see."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier  # noqa: E402
from skorch.callbacks import LRScheduler  # noqa: E402
from torch import nn  # noqa: E402

from mia_sklearn import audit, observe  # noqa: E402
from mia_sklearn.attacks import RoundLossAttack  # noqa: E402
from mia_sklearn.metrics import roc_auc  # noqa: E402
from mia_sklearn.torch import (  # noqa: E402
    FederatedObserver,
    FederatedTraining,
    GlobalObserver,
    LocalObserver,
    WhiteBoxAttack,
)

HALVES = [np.arange(40), np.arange(40, 80)]
UNEVEN = [np.arange(10), np.arange(10, 80)]


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return rng.normal(size=(160, 6)).astype(np.float32), rng.integers(0, 3, 160)


def mlp(hidden=8, dropout=0.0):
    return nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 3))


def make_net(module=None, **options):
    options = {"lr": 0.1, "batch_size": 16, "train_split": None, "verbose": 0} | options
    return NeuralNetClassifier(module or mlp(), criterion=nn.CrossEntropyLoss, **options)


def train(records, participants=HALVES, *, net=None, observers=(), seed=0, **options):
    training = FederatedTraining(
        net or make_net(), observers=observers, random_state=seed, **({"rounds": 2} | options)
    )
    return training.fit(*records, participants=participants)


def state(training):
    return training.target_.module.state_dict()


def assert_same(one, other, tolerance=0.0):
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=tolerance)


class Watch(FederatedObserver):
    """Keeps all that passes, for tests."""

    def __init__(self):
        self.sent, self.updates, self.averages = {}, {}, {}

    def on_send(self, number, participant, state):
        self.sent[number, participant] = state
        return state

    def on_update(self, number, participant, state):
        self.updates[number, participant] = state
        return state

    def on_average(self, number, state):
        self.averages[number] = state


# The training itself.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer__momentum": 0.9, "callbacks": [LRScheduler("StepLR", step_size=2, gamma=0.5)]},
        {"optimizer": torch.optim.Adam, "lr": 0.01, "optimizer__weight_decay": 0.01},
    ],
)
def test_one_participant_trains_as_the_net_alone(records, options):
    net = make_net(**options)
    alone = copy.deepcopy(net).set_params(max_epochs=6)
    rows = np.arange(70)
    alone.fit(records[0][rows], records[1][rows])
    together = train(records, [rows], net=net, rounds=3, local_epochs=2)
    assert_same(state(together), alone.module_.state_dict())


def test_average_is_weighted_by_records(records):
    watch = Watch()
    training = train(records, UNEVEN, observers=[watch], rounds=1)
    expected = {
        name: (10 * value.double() + 70 * watch.updates[1, 1][name].double()) / 80
        for name, value in watch.updates[1, 0].items()
    }
    assert_same(state(training), {name: t.float() for name, t in expected.items()}, 1e-7)
    assert_same(watch.sent[1, 0], watch.sent[1, 1])
    assert not torch.equal(watch.updates[1, 0]["0.weight"], watch.updates[1, 1]["0.weight"])


def test_each_round_begins_with_the_last_average(records):
    watch = Watch()
    training = train(records, observers=[watch], rounds=3)
    assert_same(watch.sent[3, 1], watch.averages[2])
    assert_same(state(training), watch.averages[3])


def test_statistics_of_batch_normalisation_are_averaged(records):
    watch = Watch()
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    training = train(records, UNEVEN, net=make_net(module), observers=[watch], rounds=1)
    means = [watch.updates[1, p]["1.running_mean"] for p in (0, 1)]
    torch.testing.assert_close(state(training)["1.running_mean"], (means[0] + 7 * means[1]) / 8)
    # A count of batches has no mean: one for the first participant, five for the second.
    assert state(training)["1.num_batches_tracked"] == 1


def test_same_seed_same_models_and_global_generators_untouched(records):
    net = make_net(mlp(dropout=0.3), iterator_train__shuffle=True)
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    watcher = GlobalObserver(records[0][:9], records[1][:9])
    one = train(records, None, net=net, observers=[watcher], n_participants=3)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(6)
    # Passive observers change nothing.
    assert_same(state(one), state(train(records, None, net=net, n_participants=3)))
    other = train(records, None, net=net, n_participants=3, seed=1)
    assert not torch.equal(state(one)["0.weight"], state(other)["0.weight"])


def test_streams_of_a_participant_do_not_depend_on_the_others(records):
    net = make_net(mlp(dropout=0.3), iterator_train__shuffle=True)
    watches = Watch(), Watch()
    train(records, [HALVES[0], HALVES[1]], net=net, observers=[watches[0]], rounds=1)
    train(records, [HALVES[0], HALVES[1][:5]], net=net, observers=[watches[1]], rounds=1)
    assert_same(watches[0].updates[1, 0], watches[1].updates[1, 0])


def test_default_participants_share_all_records_out(records):
    training = train(records, None, n_participants=3)
    assert [len(part) for part in training.participants_] == [54, 53, 53]
    np.testing.assert_array_equal(np.sort(np.concatenate(training.participants_)), np.arange(160))


def test_the_net_given_is_not_fitted_and_its_split_is_not_used(records):
    sizes = []

    class Sizes(skorch.callbacks.Callback):
        def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
            sizes.append((len(dataset_train), dataset_valid))

    net = make_net(train_split=skorch.dataset.ValidSplit(5), callbacks=[Sizes()])
    train(records, UNEVEN, net=net, rounds=1)
    assert not net.initialized_
    assert sizes == [(10, None), (70, None)]


def test_history_and_models(records):
    training = train(records, rounds=3, keep_models=True, n_participants=2)
    assert training.history_.columns.tolist() == ["round", "loss", "accuracy"]
    assert training.history_["round"].tolist() == [1, 2, 3]
    rows = np.concatenate(HALVES)
    for number, model in enumerate(training.models_):
        right = model.predict(records[0][rows]) == records[1][rows]
        assert training.history_["accuracy"][number] == pytest.approx(right.mean())
        log_proba = model.predict_log_proba(records[0][rows])
        loss = -log_proba[np.arange(80), records[1][rows]].mean()
        assert training.history_["loss"][number] == pytest.approx(loss)
    assert_same(training.models_[-1].module.state_dict(), state(training))
    assert not hasattr(train(records), "models_")


def test_labels_of_any_type(records):
    X, codes = records
    words = np.array(["apple", "pear", "quince"], dtype=object)[codes]
    net = make_net()
    training = train((X.astype(np.float64), words), net=net)
    assert training.classes_.tolist() == ["apple", "pear", "quince"]
    assert set(training.target_.predict(X)) <= set(words)
    assert_same(state(training), state(train(records, net=net)))
    assert observe(training.target_, X, words).shape == (160, 5)


def test_frames_and_binary_nets(records):
    X = records[0]
    net = NeuralNetBinaryClassifier(nn.Linear(6, 1), lr=0.5, batch_size=16)
    words = np.where(X[:, 0] > 0, "yes", "no")
    training = train((pd.DataFrame(X), words), net=net, rounds=6)
    assert training.classes_.tolist() == ["no", "yes"]
    assert (training.target_.predict(X) == words).mean() > 0.85


# Attackers.


def test_observations_hold_what_each_attacker_saw(records):
    X, y = records
    watch = Watch()
    server = GlobalObserver(X[:30], y[:30], layers=["3"])
    insider = LocalObserver(X[:30], y[:30], participant=1, rounds=[2], parts=())
    training = train(records, UNEVEN, observers=[watch, server, insider], keep_models=True)
    black_box = ["proba_0", "proba_1", "proba_2", "logit"]
    seen = [*black_box, "grad_norm", "grad_norm.3"]
    expected = ["label"] + [f"{name}@{number}" for number in (1, 2) for name in seen]
    assert server.observations(0).columns.tolist() == expected
    assert insider.observations().columns.tolist() == ["label"] + [f"{n}@2" for n in black_box]

    last = observe(training.target_, X[:30], y[:30])
    np.testing.assert_allclose(insider.observations()["logit@2"], last["logit"], rtol=1e-5)
    model = copy.deepcopy(training.target_)
    model.module.load_state_dict(watch.updates[1, 1])
    update = observe(model, X[:30], y[:30], view="white-box", layers=["3"])
    np.testing.assert_allclose(server.observations(1)["logit@1"], update["logit"], rtol=1e-5)
    np.testing.assert_allclose(
        server.observations(1)["grad_norm@1"], update["grad_norm"], rtol=1e-4
    )
    mean = (server.observations(0) + server.observations(1)) / 2
    pd.testing.assert_frame_equal(server.observations(), mean, rtol=1e-5)
    assert server.observations().dtypes.eq(np.float32).all()


def test_more_parts_are_recorded_when_asked(records):
    X, y = records
    server = GlobalObserver(
        X[:9], y[:9], participants=[1], rounds=[1], layers=["3"], parts=["activation", "gradient"]
    )
    train(records, observers=[server], rounds=1)
    columns = server.observations(1).columns
    assert "activation.3.2@1" in columns
    assert "gradient.3.2_7@1" in columns
    assert "grad_norm@1" not in columns


def test_an_isolated_participant_sees_its_own_model_only(records):
    X, y = records
    net = make_net(mlp(dropout=0.3), iterator_train__shuffle=True)
    server = GlobalObserver(X, y, participants=0, isolate=True)
    watch = Watch()
    train(records, net=net, observers=[server, watch], rounds=4)
    alone = train(records, HALVES[:1], net=net, rounds=4)
    assert_same(watch.updates[4, 0], state(alone))
    # The other one receives the average, as ever.
    assert_same(watch.sent[4, 1], watch.averages[3])
    last = observe(alone.target_, X, y)["logit"]
    np.testing.assert_allclose(server.observations(0)["logit@4"], last, rtol=1e-5)


def test_ascent_is_the_gradient_of_the_mean_loss(records):
    X, y = records
    before, after = Watch(), Watch()
    server = GlobalObserver(X[:50], y[:50], participants=1, ascent=0.7)
    training = train(records, observers=[before, server, after], rounds=1)
    module = copy.deepcopy(training.target_.module)
    module.load_state_dict(before.sent[1, 1])
    nn.functional.cross_entropy(module(torch.tensor(X[:50])), torch.tensor(y[:50])).backward()
    for name, parameter in module.named_parameters():
        climbed = parameter.detach() + 0.7 * parameter.grad
        torch.testing.assert_close(after.sent[1, 1][name], climbed, rtol=1e-5, atol=1e-6)
    assert_same(after.sent[1, 0], before.sent[1, 0])


@pytest.mark.parametrize("kind", [GlobalObserver, LocalObserver])
def test_ascent_raises_the_loss_of_the_target_records(records, kind):
    X, y = records
    passive, active = kind(X[:40], y[:40]), kind(X[:40], y[:40], ascent=2.0)
    train(records, observers=[passive])
    train(records, observers=[active])
    loss = [np.logaddexp(0, -seen.observations()["logit@2"]).mean() for seen in (passive, active)]
    assert loss[1] > loss[0] + 0.05


def test_ascent_in_some_rounds_only(records):
    X, y = records
    before, after = Watch(), Watch()
    server = GlobalObserver(X, y, ascent=0.5, ascent_rounds=[2])
    insider = LocalObserver(X, y, participant=1, ascent=0.5, ascent_rounds=[1])
    train(records, observers=[before, server, insider, after])
    for number, participant, sent, updated in ((1, 1, False, True), (2, 1, True, False)):
        weights = [
            torch.equal(one["0.weight"], other["0.weight"])
            for one, other in (
                (before.sent[number, participant], after.sent[number, participant]),
                (before.updates[number, participant], after.updates[number, participant]),
            )
        ]
        assert weights == [not sent, not updated]
    assert_same(before.updates[1, 0], after.updates[1, 0])


@pytest.fixture(scope="module")
def overfitted(records):
    """What both attackers saw of 80 members and 80 others: random labels, learned by heart."""
    X, y = records
    server, insider = GlobalObserver(X, y, parts=()), LocalObserver(X, y, parts=())
    net = make_net(mlp(64), lr=0.3, optimizer__momentum=0.9)
    train(records, net=net, observers=[server, insider], rounds=8, local_epochs=3)
    return server.observations(), insider.observations(), np.arange(160) < 80


@pytest.mark.parametrize("who", [0, 1])
def test_members_of_an_overfitted_federation_are_found(overfitted, who):
    observations, member = overfitted[who], overfitted[2]
    half = np.arange(160) % 2 == 0
    attack = RoundLossAttack().fit(observations[half], member[half])
    found = roc_auc(member[~half], attack.decision_function(observations[~half]))
    assert found.low > 0.6


def test_records_of_nobody_are_at_chance(overfitted):
    observations = overfitted[0][~overfitted[2]]
    member = np.arange(80) % 3 == 0
    half = np.arange(80) % 2 == 0
    attack = RoundLossAttack().fit(observations[half], member[half])
    found = roc_auc(member[~half], attack.decision_function(observations[~half]))
    assert found.low < 0.5 < found.high


def test_white_box_attack_reads_columns_of_rounds(records):
    X, y = records
    server = GlobalObserver(X, y, rounds=[1, 2], layers=["3"], parts=["grad_norm", "gradient"])
    train(records, observers=[server])
    observations, member = server.observations(), np.arange(160) < 80
    attack = WhiteBoxAttack(max_epochs=2, random_state=0).fit(observations, member)
    assert np.isfinite(attack.decision_function(observations)).all()


def test_an_audit_refuses_federated_attacks_before_it_trains(records):
    X, y = records
    model = make_net(max_epochs=1).fit(X[:80], y[:80])
    with pytest.raises(ValueError, match="'round-loss' watches a training round by round"):
        audit(model, X[:80], y[:80], X[80:], y[80:], attacks=["round-loss"], n_references=0)


# The attack on losses over rounds.


def test_round_loss_reads_rounds_in_their_order():
    rng = np.random.default_rng(0)
    member = np.arange(300) % 2
    phi = rng.normal(size=(300, 12)) + np.outer(member, np.linspace(0, 1, 12))
    columns = [f"logit@{number}" for number in range(1, 13)]
    table = pd.DataFrame(phi, columns=columns)
    shuffled = table[rng.permutation(columns)]
    one, other = (RoundLossAttack().fit(t, member).decision_function(t) for t in (table, shuffled))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    array = RoundLossAttack().fit(phi, member).decision_function(phi)
    np.testing.assert_allclose(array, one, rtol=1e-6, atol=1e-9)


def test_round_loss_fills_rounds_that_are_missing():
    member = np.arange(60) % 2
    phi = np.cumsum(np.random.default_rng(0).normal(member[:, None], 1, size=(60, 5)), axis=1)
    attack = RoundLossAttack().fit(phi, member)
    row = phi[:1].copy()
    row[0, [0, 3]] = np.nan
    filled = row.copy()
    filled[0, 0], filled[0, 3] = row[0, 1], row[0, 2]
    np.testing.assert_array_equal(attack.decision_function(row), attack.decision_function(filled))
    # Without any round the answer is the rate of members.
    assert attack.decision_function(np.full((1, 5), np.nan)) == pytest.approx(0)
    with pytest.raises(ValueError, match="no signal"):
        RoundLossAttack().fit(np.where(member[:, None] == 1, np.nan, phi), member)


def test_round_loss_takes_another_classifier():
    from sklearn.ensemble import RandomForestClassifier

    member = np.arange(60) % 2
    phi = np.random.default_rng(0).normal(3 * member[:, None], 1, size=(60, 1))
    attack = RoundLossAttack(RandomForestClassifier(20, random_state=0)).fit(phi, member)
    assert attack.score(phi, member) > 0.9
    assert np.isfinite(attack.decision_function(phi)).all()


def test_round_loss_names_what_it_lacks():
    with pytest.raises(ValueError, match="'round_logit' by FederatedTraining"):
        RoundLossAttack().fit(pd.DataFrame({"logit": [0.0, 1.0]}), [0, 1])


# Bad input.


@pytest.mark.parametrize(
    ("participants", "message"),
    [
        ([[0, 1, 2], [2, 3]], r"participants\[0\] and participants\[1\] both hold row 2"),
        ([[0, 1], []], r"participants\[1\] must be a list of at least one row"),
        ([[0, 1], [0.5]], r"participants\[1\] must be a list of at least one row"),
        ([[0, 1], [160]], r"participants\[1\] holds row 160, but X has rows 0 to 159"),
        ([[-1, 1]], r"participants\[0\] holds row -1"),
        ([[1, 1]], r"participants\[0\] holds a row twice"),
        ([], "participants is empty"),
    ],
)
def test_bad_participants(records, participants, message):
    with pytest.raises(ValueError, match=message):
        train(records, participants)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "'rounds' parameter"),
        ({"local_epochs": 0}, "'local_epochs' parameter"),
        ({"n_participants": 0}, "'n_participants' parameter"),
        ({"participants": None, "n_participants": 161}, "X holds 160 records only"),
        ({"net": nn.Linear(6, 3)}, "net must be a skorch NeuralNetClassifier.*got Linear"),
        ({"net": NeuralNetClassifier}, "net must be .*, got NeuralNetClassifier"),
        ({"net": skorch.NeuralNetRegressor(nn.Linear(6, 3))}, "got NeuralNetRegressor"),
        ({"net": make_net(mlp(), device="cuda")}, "no CUDA device"),
        ({"net": make_net(nn.Linear(6, 2))}, "y holds 3 classes"),
        ({"net": make_net(classes=[0, 1, 7])}, "y holds the label 2"),
        ({"observers": ["server"]}, "observers must hold FederatedObserver"),
    ],
)
def test_bad_training(records, options, message):
    if "CUDA" in message and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match=message):
        train(records, **options)


def test_divergence_is_named_with_participant_and_round(records):
    X, y = records
    X = X.copy()
    X[HALVES[1]] *= 1e30
    with pytest.raises(ValueError, match="Participant 1 diverged in round 1"):
        train((X, y), net=make_net(lr=10.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda X, y: GlobalObserver(X, y, participants=2),
            "participants must lie between 0 and 1",
        ),
        (lambda X, y: GlobalObserver(X, y, participants=[]), "participants must lie between"),
        (lambda X, y: LocalObserver(X, y, participant=-1), "participant must lie between 0 and 1"),
        (lambda X, y: LocalObserver(X, y, rounds=[3]), "rounds must lie between 1 and 2"),
        (lambda X, y: LocalObserver(X, y, ascent_rounds=[0]), "ascent_rounds must lie between 1"),
        (lambda X, y: LocalObserver(X, y, layers=["9"]), "9"),
        (lambda X, y: LocalObserver(X, y, parts=["weights"]), "parts must be"),
        (lambda X, y: GlobalObserver(X, y + 1), "labels that the model does not know: 3"),
        (
            lambda X, y: GlobalObserver(X[:, :3], y),
            "does not take the target records of GlobalObserver",
        ),
        (lambda X, y: GlobalObserver(X, y, ascent=1e42), "ascent=1e.42 is too large: in round 1"),
    ],
)
def test_bad_observers_are_named_by_fit(records, make, message):
    observer = make(*records)
    with pytest.raises(ValueError, match=message):
        train(records, observers=[observer])


def test_bad_observers_are_named_at_once(records):
    X, y = records
    for ascent in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="ascent must be 0 or a positive rate"):
            GlobalObserver(X, y, ascent=ascent)
    with pytest.raises(ValueError, match="one row per record"):
        LocalObserver(X, y[:5])
    server = GlobalObserver(X, y, participants=0)
    with pytest.raises(ValueError, match="has seen no training"):
        server.observations()
    train(records, observers=[server])
    with pytest.raises(ValueError, match="participant 1 was not watched; 0 were"):
        server.observations(1)
