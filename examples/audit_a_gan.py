"""
Audit a generative adversarial network
======================================

A generative adversarial network: what its discriminator remembers, epoch by epoch.

Forty digits train it, forty others do not. Who holds the discriminator calls the digits that it
finds most real members; who has samples alone learns much less.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from mia_sklearn import audit, observe
from mia_sklearn.metrics import precision_at_n
from mia_sklearn.plots import MembershipCurveDisplay
from mia_sklearn.torch import GAN, MembershipCurve

X = load_digits().data[:80] / 8 - 1
members, others = train_test_split(X, test_size=0.5, random_state=0)

curve = MembershipCurve(members, others, every=50)
gan = GAN(lr=1e-3, max_epochs=400, batch_size=40, random_state=0, callbacks=[curve]).fit(members)
print(f"Collapsed: {gan.collapse(members) or 'no'}")

report = audit(gan, members, others, split="random", random_state=0)
print(report.verdict)

scores = observe(gan, X, access="samples", n_samples=2000, random_state=0)["logit"]
is_member = (X[:, None] == members).all(axis=2).any(axis=1)
print(
    f"By samples alone, precision among the {len(members)} likeliest: "
    f"{precision_at_n(is_member, scores, len(members))}"
)

MembershipCurveDisplay.from_callback(curve).figure_.savefig("membership_curve.png", dpi=150)
