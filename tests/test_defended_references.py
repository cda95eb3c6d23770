"""References of models that are wrapped in a defense."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._records._rows import take_params
from mia_sklearn.defenses import MemGuard, RoundedPosterior, TopKPosterior
from processes import printed

X, Y = make_classification(240, 5, n_informative=4, n_redundant=1, random_state=0)

IN_A_SCRIPT = """
import warnings
import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn
from mia_sklearn import ReferenceModels
from mia_sklearn.defenses import MemGuard

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 2)
    def forward(self, x):
        return self.last(x)

net = NeuralNetClassifier(
    Small, criterion=nn.CrossEntropyLoss, max_epochs=1, train_split=None, verbose=0
)
rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    references = ReferenceModels(MemGuard(net), n_models=2, n_jobs=2, random_state=0)
    references.fit(X, y)
print(any("defined in __main__" in str(warning.message) for warning in caught))
print(references.outputs_.shape)
"""


@pytest.mark.slow
def test_networks_of_a_script_are_trained_where_their_module_is_known():
    pytest.importorskip("skorch")
    assert printed(IN_A_SCRIPT) == "True\n(4, 40, 2)\n"


def answers_of_a_defended_network(**options):
    from nets import classifier

    defense = RoundedPosterior(classifier(module__n_features=5, module__n_outputs=2), 12)
    references = ReferenceModels(defense, n_models=4, random_state=0, **options)
    return references.fit(X, Y).outputs_


def test_references_of_a_defended_network_are_reproducible(one_torch_thread):
    first, second = (answers_of_a_defended_network() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.ptp(first, axis=0).max() > 0


@pytest.mark.slow
def test_references_of_a_defended_network_are_the_same_in_other_processes(one_torch_thread):
    one, two = (answers_of_a_defended_network(n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_reference_records_go_whole_to_every_reference():
    """However many they are: as many as the pool has, they are not its entries."""
    extra = {"X_reference": X[120:], "y_reference": Y[120:], "sample_weight": np.arange(120)}
    taken = take_params(extra, np.array([5, 7]), 120)
    assert taken["sample_weight"].tolist() == [5, 7]
    for name in ("X_reference", "y_reference"):
        np.testing.assert_array_equal(taken[name], extra[name])
        # A reference may write to it.
        assert not np.shares_memory(taken[name], extra[name])

    del extra["sample_weight"]
    fitted = MemGuard(DecisionTreeClassifier(random_state=0)).fit(X[:60], Y[:60], **extra)
    report = audit(
        fitted,
        *(X[:60], Y[:60], X[60:120], Y[60:120]),
        n_references=4,
        attacks=["threshold"],
        fit_params=extra,
        controls=False,
        progress=False,
    )
    assert report.info["n_references"] == 4


@pytest.mark.parametrize("wrap", [RoundedPosterior, TopKPosterior])
def test_a_defense_knows_what_scikit_learn_routes(wrap):
    import sklearn

    weight = np.where(Y == 0, 0.05, 1.0)
    plain = wrap(LogisticRegression(), 1).fit(X, Y)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True)
        routed = wrap(inner, 1).fit(X, Y, sample_weight=weight)
        with pytest.raises(ValueError, match="sample_weight"):
            wrap(LogisticRegression(), 1).fit(X, Y, sample_weight=weight)
    assert routed.predict(X).mean() > plain.predict(X).mean() + 0.1
