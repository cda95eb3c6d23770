"""
Audit a generator
=================

Does a model that draws artificial records give away the real ones that it learned from?

Two models of handwritten digits: one remembers each digit, one only how digits lie. Attackers see
the density that a model gives a record, or nothing but samples of it.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from mia_sklearn import ReferenceModels, metrics, observe
from mia_sklearn.access import SampleAccess, observe_auxiliary
from mia_sklearn.attacks import LiRAAttack, LOGANAttack

X = PCA(20, random_state=0).fit_transform(load_digits().data[:1000] / 16)
member = np.random.default_rng(0).permutation(1000) < 500

generators = {
    "kernel density": KernelDensity(bandwidth=0.2),
    "mixture": GaussianMixture(10, random_state=0),
}
# Principal components have one unit: what varies most counts most.
signals = {"density": "density", "samples": SampleAccess(2000, standardize=False)}
for name, generator in generators.items():
    target = generator.fit(X[member])
    for asked, signal in signals.items():
        # References are trained without labels, and asked what the target is asked.
        references = ReferenceModels(generator, 8, signal=signal, random_state=0).fit(X)
        seen = observe(target, X, references=references)
        attack = LiRAAttack().fit(*references.shadow_observations(random_state=0))
        alone = metrics.roc_auc(member, seen["logit"])
        calibrated = metrics.roc_auc(member, attack.decision_function(seen))
        print(f"{name:15} {asked:8}  AUC alone {alone}  beside references {calibrated}")

# An attacker who trains nothing and asks nobody else: the distance to the nearest sample.
target = generators["kernel density"]
seen = observe(target, X, access="samples", n_samples=2000, standardize=False, random_state=0)
print(
    f"the 500 records nearest to samples: {metrics.precision_at_n(member, seen['logit'])} members"
)

# One who knows of 250 records that they are not members (LOGAN): samples stand for members.
out = np.flatnonzero(~member)
candidates = np.concatenate([np.flatnonzero(member)[:250], out[:250]])
known, membership, asked_about = observe_auxiliary(
    target, X[candidates], nonmembers=X[out[250:]], n_samples=1000, random_state=0
)
attack = LOGANAttack("discriminative", random_state=0).fit(known, membership)
score = attack.decision_function(asked_about)
print(f"knowing 250 non-members: AUC {metrics.roc_auc(member[candidates], score)}")
