"""Networks as targets: what their answers are read as."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from skorch import NeuralNet, NeuralNetBinaryClassifier  # noqa: E402
from skorch.dataset import Dataset, ValidSplit  # noqa: E402
from torch import nn  # noqa: E402

from mia_sklearn import ReferenceModels, audit, observe  # noqa: E402
from mia_sklearn._models._random import seeded  # noqa: E402
from mia_sklearn.signals import log_posteriors, rescaled_logit  # noqa: E402
from mia_sklearn.torch import TorchTarget  # noqa: E402
from nets import Convolutional, Dense, Words, classifier  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 20)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


class Scaled(Dense):
    """Logits far beyond what a soft-max in single precision can hold."""

    def forward(self, x):
        return 1e3 * super().forward(x)


def phi_from_logits(net, X, y):
    logits = net.forward(X).double().numpy()
    rows = np.arange(len(y))
    others = logits.copy()
    others[rows, y] = -np.inf
    return logits[rows, y] - np.logaddexp.reduce(others, axis=1)


def test_logits_are_exact_in_both_tails(records):
    X, y = records
    net = classifier(Scaled, lr=1e-6).fit(X, y)
    target = TorchTarget.from_estimator(net, X)
    assert target.outputs == "logits"
    phi = rescaled_logit(log_posteriors(target, X), y)
    assert phi.max() > 100
    assert phi.min() < -100
    np.testing.assert_allclose(phi, phi_from_logits(net, X, y), rtol=1e-12)
    assert net.predict_proba(X).min() == 0  # what a soft-max in single precision would leave


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({}, "logits"),
        ({"module__end": nn.LogSoftmax(dim=1)}, "logits"),
        ({"module__end": nn.Softmax(dim=1), "criterion": nn.NLLLoss}, "proba"),
        (
            {
                "criterion": nn.MultiMarginLoss,
                "predict_nonlinearity": lambda output: output.softmax(dim=1),
            },
            "proba",
        ),
    ],
    ids=["logits", "log-posteriors", "posteriors", "nonlinearity"],
)
def test_answers_are_those_of_the_net(options, outputs, records):
    X, y = records
    net = classifier(**options).fit(X, y)
    target = TorchTarget.from_estimator(net, X)
    assert target.outputs == outputs
    np.testing.assert_allclose(target.predict_proba(X), net.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(target.predict(X), net.predict(X))
    table = observe(net, X, y)
    np.testing.assert_allclose(
        table[["proba_0", "proba_1", "proba_2"]], net.predict_proba(X), atol=1e-6
    )


def test_log_posteriors_under_nll(records):
    """As torch, not skorch, has it: the net says so by a loss of its own."""
    X, y = records

    class OfTorch(type(classifier())):
        def get_loss(self, y_pred, y_true, *args, **kwargs):
            return self.criterion_(y_pred, y_true)

    net = OfTorch(
        Dense, module__end=nn.LogSoftmax(dim=1), criterion=nn.NLLLoss, verbose=0, train_split=None
    ).fit(X, y)
    target = TorchTarget.from_estimator(net, X)
    assert target.outputs == "log_proba"
    np.testing.assert_allclose(target.predict_proba(X).sum(axis=1), 1, atol=1e-5)


def test_posteriors_under_a_criterion_of_logits_are_read_as_posteriors(records):
    X, y = records
    net = classifier(module__end=nn.Softmax(dim=1)).fit(X, y)
    with pytest.warns(UserWarning, match="applies a soft-max to them again"):
        target = TorchTarget.from_estimator(net, X)
    with torch.no_grad():
        expected = net.module_(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(target.predict_proba(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("criterion", "end"), [(nn.BCEWithLogitsLoss, None), (nn.BCELoss, nn.Sigmoid())]
)
def test_binary_nets_with_one_output(criterion, end, records):
    X, y = records
    net = NeuralNetBinaryClassifier(
        Dense, module__n_outputs=1, module__end=end, criterion=criterion, lr=0.1, verbose=0
    ).fit(X, np.minimum(y, 1).astype(np.float32))
    target = TorchTarget.from_estimator(net, X)
    np.testing.assert_allclose(target.predict_proba(X), net.predict_proba(X), atol=1e-6)
    with torch.no_grad():
        output = net.module_.eval()(torch.as_tensor(X)).double().numpy().ravel()
    phi = rescaled_logit(target.predict_log_proba(X), np.ones(len(X), dtype=int))
    logit = output if end is None else np.log(output / (1 - output))
    np.testing.assert_allclose(phi, logit, rtol=1e-9)
    # Labels as the net was trained on.
    assert observe(net, X, np.minimum(y, 1).astype(np.float32))["label"].isin([0, 1]).all()


def test_a_class_that_no_record_had_keeps_its_column(records):
    X, y = records
    few = y < 2
    target = TorchTarget.from_estimator(classifier().fit(X[few], y[few]), X)
    assert target.classes_.tolist() == [0, 1, 2]


def test_named_classes(records):
    X, y = records
    names = np.array(["none", "one", "two"])
    net = classifier(classes=names.tolist()).fit(X, y)
    observations = observe(net, X, names[y])
    np.testing.assert_array_equal(observations["label"], y)
    references = ReferenceModels(net, 2, random_state=0).fit(X, names[y])
    assert references.classes_.tolist() == names.tolist()
    by_number = ReferenceModels(classifier(), 2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(references.outputs_, by_number.outputs_)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [10, 20, 30], [0.5, 1.5, 2.5]])
def test_labels_of_references_are_mapped(labels, records):
    X, y = records
    references = ReferenceModels(classifier(), 2, random_state=0).fit(X, np.array(labels)[y])
    assert references.classes_.tolist() == labels
    by_number = ReferenceModels(classifier(), 2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(references.outputs_, by_number.outputs_)


def test_labels_are_positions_of_columns_where_they_can_be(records):
    X, y = records
    references = ReferenceModels(classifier(module__n_outputs=6), 2, random_state=0).fit(X, 2 * y)
    assert references.classes_.tolist() == [0, 1, 2, 3, 4, 5]
    assert references.labels_.tolist() == (2 * y).tolist()
    with pytest.raises(ValueError, match="y holds 3 classes, but the net's module answers with 6"):
        ReferenceModels(classifier(module__n_outputs=6), 2).fit(X, np.array(["a", "b", "c"])[y])


def test_pipeline_and_search(records):
    X, y = records
    pipeline = make_pipeline(StandardScaler(), classifier())
    search = GridSearchCV(pipeline, {"neuralnetclassifier__lr": [0.1]}, cv=2)
    for model in (pipeline.fit(X, y), search.fit(X, y)):
        observations = observe(model, X, y)
        np.testing.assert_allclose(
            observations[["proba_0", "proba_1", "proba_2"]], model.predict_proba(X), atol=1e-6
        )
    report = audit(
        search,
        X[:60],
        y[:60],
        X[60:],
        y[60:],
        n_references=4,
        attacks=["lira"],
        random_state=0,
        progress=False,
    )
    assert report.info["model"] == "GridSearchCV of Pipeline of NeuralNetClassifier"
    assert [f.code for f in report.findings if f.code == "SEARCH"]


@pytest.mark.thorough
@pytest.mark.parametrize(("module", "shape"), [(Convolutional, (1, 8, 8)), (Words, (7,))])
def test_audit_of_images_and_sequences(module, shape):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, *shape)).astype(np.float32)
    if module is Words:
        X = rng.integers(10, size=(160, *shape))
    y = rng.integers(3, size=160)
    net = classifier(module, max_epochs=60, optimizer=torch.optim.Adam, lr=0.03)
    with seeded(0):
        net.fit(X[:80], y[:80])
    report = audit(
        net, X[:80], y[:80], X[80:], y[80:], n_references=4, random_state=0, progress=False
    )
    auc = report.metrics.query("attack == 'lira' and metric == 'auc'").iloc[0]
    # Random labels, which only the training records' can be known.
    assert auc["low"] > 0.5


def test_records_that_the_net_kept_for_validation_are_told(records):
    X, y = records
    halves = (X[:60], y[:60], X[60:], y[60:])
    for split, expected in ((ValidSplit(5), 1), (None, 0)):
        net = classifier(train_split=split).fit(X[:60], y[:60])
        report = audit(net, *halves, n_references=0, progress=False)
        assert [f.code for f in report.findings].count("HELD_ASIDE") == expected


# Bare modules.


@pytest.mark.parametrize(
    ("end", "outputs"),
    [(None, "logits"), (nn.Softmax(dim=1), "proba"), (nn.LogSoftmax(dim=1), "log_proba")],
)
def test_bare_module(end, outputs, records):
    X, y = records
    module = Dense(end=end, dropout=0.5).train()
    target = TorchTarget(module, classes=["a", "b", "c"])
    observations = observe(target, X, np.array(["a", "b", "c"])[y])
    assert target.outputs == outputs
    assert module.training  # asked in evaluation mode, and put back
    with torch.no_grad():
        logits = module.last(torch.relu(module.first(torch.as_tensor(X)))).double()
    expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(observations[["proba_0", "proba_1", "proba_2"]], expected, atol=1e-6)


def test_bare_module_takes_other_precisions_tensors_and_frames(records):
    X, _ = records
    target = TorchTarget(Dense(), classes=[0, 1, 2], batch_size=7)
    expected = target.predict_proba(X)
    frame = pytest.importorskip("pandas").DataFrame(X)
    for other in (X.astype(np.float64), torch.as_tensor(X), frame):
        np.testing.assert_allclose(target.predict_proba(other), expected, atol=1e-7)
    double = TorchTarget(Dense().double(), classes=[0, 1, 2])
    assert double.inputs(X).dtype == torch.float64


def test_audit_of_a_bare_module_needs_what_to_train(records):
    X, y = records
    target = TorchTarget(classifier().fit(X[:60], y[:60]).module_, classes=[0, 1, 2])
    halves = (X[:60], y[:60], X[60:], y[60:])
    with pytest.raises(ValueError, match="references need estimator="):
        audit(target, *halves)
    report = audit(
        target, *halves, estimator=classifier(), n_references=4, random_state=0, progress=False
    )
    assert report.info["model"] == "TorchTarget"
    assert audit(target, *halves, n_references=0, progress=False).info["n_members"] == 60


# Bad input.


def test_nets_that_are_no_fitted_classifiers(records):
    X, y = records
    with pytest.raises(ValueError, match="call fit on this NeuralNetClassifier first"):
        observe(classifier(), X, y)
    net = NeuralNet(Dense, criterion=nn.CrossEntropyLoss, verbose=0, train_split=None).fit(X, y)
    with pytest.raises(ValueError, match="NeuralNet is no classifier"):
        observe(net, X, y)
    with pytest.raises(ValueError, match=r"must be a classifier.*NeuralNet\b"):
        ReferenceModels(net, 2).fit(X, y)


def test_a_bare_module_is_not_a_function(records):
    with pytest.raises(ValueError, match=r"TorchTarget\(dense, classes=\.\.\.\)"):
        observe(Dense(), *records)


def test_outputs_that_are_no_posteriors(records):
    X, y = records
    net = classifier(criterion=nn.MultiMarginLoss).fit(X, y)
    with pytest.raises(ValueError, match="Set predict_nonlinearity"):
        observe(net, X, y)
    with pytest.raises(ValueError, match=r"answers with shape \(120, 4, 5\)"):
        TorchTarget(nn.Unflatten(1, (4, 5)), [0, 1]).predict_log_proba(X)
    with pytest.raises(ValueError, match="answers with 3 classes; classes names 2"):
        TorchTarget(Dense(), [0, 1]).predict_proba(X)


def test_a_diverged_target(records):
    X, y = records
    net = classifier(lr=1e30).fit(X, y)
    with pytest.raises(ValueError, match="NaN to all records: its training diverged"):
        observe(net, X, y)


def test_wrong_arguments_of_a_target():
    with pytest.raises(ValueError, match=r"must be a torch\.nn\.Module, got int"):
        TorchTarget(3, [0, 1])
    with pytest.raises(ValueError, match="outputs must be one of auto, logits"):
        TorchTarget(Dense(), [0, 1, 2], outputs="scores")
    with pytest.raises(ValueError, match="classes must be a list of different labels"):
        TorchTarget(Dense(), [0, 0, 2])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        TorchTarget(Dense(), [0, 1, 2], batch_size=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="tells of a device that is absent")
def test_cuda_asked_for_and_absent(records):
    X, y = records
    with pytest.raises(ValueError, match="device='cuda', but torch finds no CUDA device"):
        ReferenceModels(classifier(device="cuda"), 2).fit(X, y)
    with pytest.raises(ValueError, match="Use device='cpu'"):
        TorchTarget(Dense(), [0, 1, 2], device="cuda")


def test_data_sets_and_text_are_refused(records):
    X, y = records
    net = classifier().fit(X, y)
    with pytest.raises(ValueError, match=r"X must be an array.*got Dataset.*dataset\.X"):
        observe(net, Dataset(X, y), y)
    with pytest.raises(ValueError, match=r"X_train must be an array.*got dict"):
        audit(net, {"x": X}, y, X, y)
    with pytest.raises(ValueError, match="A network takes numbers"):
        observe(net, X.astype(str), y)


class Locked(nn.Module):
    """Parameters that nothing can draw anew."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(20, 3))

    def forward(self, x):
        return x @ self.weight


def test_instances_that_keep_what_they_learned_are_refused(records):
    net = classifier(nn.Sequential(nn.Identity(), Locked()))
    with pytest.raises(ValueError, match=r"parameters in '1' cannot be drawn anew"):
        ReferenceModels(net, 2).fit(*records)
    ReferenceModels(classifier(Locked), 2, random_state=0).fit(*records)


def test_observing_draws_no_random_numbers_of_the_user(records):
    X, y = records
    net = classifier().fit(X, y)
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    observe(net, X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == before_numpy).all()  # noqa: NPY002


@pytest.mark.gpu
def test_target_on_a_gpu(records):
    X, y = records
    net = classifier(device="cuda").fit(X, y)
    observations = observe(net, X, y)
    np.testing.assert_allclose(
        observations[["proba_0", "proba_1", "proba_2"]], net.predict_proba(X), atol=1e-6
    )
