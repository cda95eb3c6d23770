"""
Encode records so that one label is hidden
==========================================

Can data be released such that one label is told from them, and another one is not?

Images of digits are to tell whether the digit is five or more, and not whether it is odd. An
encoder is trained against an attacker; attackers that it has never met judge it. Needs the extra
"torch".
"""

from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn.disclosure import privacy_frontier, private_label_risk
from mia_sklearn.torch import AnonymizingEncoder

X, digit = load_digits(return_X_y=True)
large, odd = digit >= 5, digit % 2

# What the images themselves give away: one line per attacker, and the best of them, whose
# interval allows for its having been chosen.
print(private_label_risk(X, odd, cv=3, random_state=0).round(3).to_string(index=False))

# The more weight privacy gets, the less of either label is left. Both are measured on records
# that the encoder was not trained on.
encoder = make_pipeline(StandardScaler(), AnonymizingEncoder(max_epochs=10))
frontier = privacy_frontier(encoder, X, large, odd, [0, 3], cv=3, random_state=0)
shown = ["lam", "public_accuracy", "private_low", "private_accuracy", "private_high", "attacker"]
print(frontier[shown].round(3).to_string(index=False))

# The encoder that is released.
encoder.set_params(anonymizingencoder__lam=3)
half = slice(0, 900)
encoder.fit(X[half], large[half], anonymizingencoder__private=odd[half])
encoded = encoder.transform(X)
print(f"{X.shape[1]} pixels became {encoded.shape[1]} numbers")
