"""Reference models that are GANs."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch.dataset import ValidSplit  # noqa: E402

from mia_sklearn import ReferenceModels, observe  # noqa: E402
from mia_sklearn._models._trainable import configured  # noqa: E402
from mia_sklearn.access import SampleAccess  # noqa: E402
from mia_sklearn.references._sampling import training_rows  # noqa: E402
from mia_sklearn.torch import GAN  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("scaled", [False, True])
def test_references_are_trained_as_one(scaled):
    gan = GAN(max_epochs=3, batch_size=16)
    estimator = make_pipeline(StandardScaler(), gan) if scaled else gan
    X = np.random.default_rng(0).normal(3, 2, size=(64, 5)).astype(np.float32)
    references = ReferenceModels(estimator, 4, random_state=0).fit(X)
    assert references.access_.name == "discriminator"
    for model in range(4):
        seed = int(references.seeds_[model])
        rows = training_rows(references.membership_[model], 0, seed)
        own = configured(estimator, seed).fit(X[rows])
        records = own[0].transform(X) if scaled else X
        score = (own[-1] if scaled else own).discriminator_score(records)
        np.testing.assert_allclose(references.phi()[model], score, rtol=1e-3, atol=1e-4)
    with pytest.warns(UserWarning, match="The generator has collapsed"):
        seen = observe(configured(estimator, 1).fit(X[:32]), X, references=references)
    assert seen.columns.tolist()[:3] == ["logit", "out_0", "out_1"]


def test_references_that_cannot_be_one_say_why():
    gan = GAN(max_epochs=1, train_split=ValidSplit(2))
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match="one by one, not as one: train_split keeps records"):
        references = ReferenceModels(gan, 2, signal=SampleAccess(50), random_state=0).fit(X)
    assert np.isfinite(references.phi()).all()


def test_the_cache_knows_networks_and_local_networks(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    access = SampleAccess(50, local=GAN(max_epochs=1))

    def fitted():
        references = ReferenceModels(
            GAN(max_epochs=1), 4, signal=access, cache=tmp_path, random_state=0
        )
        return references.fit(X)

    first = fitted()
    monkeypatch.setattr(
        "mia_sklearn.torch._gans._gan_references.train_gans",
        lambda *_, **__: pytest.fail("a model is trained again"),
    )
    np.testing.assert_array_equal(fitted().outputs_, first.outputs_)
