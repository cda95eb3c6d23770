"""What does it cost to hide one label in encoded data, and from whom is it hidden?

After C. Feutry et al., "Learning Anonymized Representations with Adversarial Neural Networks",
2018: an encoder is trained on half of the records, against an attacker of the private label; fresh
attackers of four families are cross-validated on the other half, encoded. Scales of Adult and
components of MNIST are learned from all records, without their labels.
`python benchmarks/papers/encoder.py` prints all tables, `... adult --lams 0 1` one of them. The
folder of the data sets is read from MIA_SKLEARN_DATA; digits come with scikit-learn.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn._records._numeric import numeric_features
from mia_sklearn.datasets import load_adult, load_mnist
from mia_sklearn.disclosure import privacy_frontier, private_label_risk
from mia_sklearn.torch import AnonymizingEncoder


def adult(records: int) -> tuple[Any, np.ndarray, np.ndarray]:
    data = load_adult()
    rows = np.random.default_rng(0).permutation(len(data.target))[:records]
    frame = data.data.iloc[rows]
    X = numeric_features(frame.drop(columns="sex"), one_hot=True)
    return X, np.asarray(data.target)[rows], frame["sex"].astype(str).to_numpy()


def mnist(records: int) -> tuple[Any, np.ndarray, np.ndarray]:
    data = load_mnist(subset="train")
    rows = np.random.default_rng(0).permutation(len(data.target))[:records]
    digit = np.asarray(data.target)[rows].astype(int)
    return np.asarray(data.data)[rows] / 255, digit >= 5, digit % 2


def digits(records: int) -> tuple[Any, np.ndarray, np.ndarray]:
    X, digit = load_digits(return_X_y=True)
    return X[:records], digit[:records] >= 5, digit[:records] % 2


EXPERIMENTS: dict[str, tuple[str, Any, tuple[Any, ...]]] = {
    "adult": ("Adult: income (public), sex (private, its column left out)", adult, ()),
    "mnist": ("MNIST, 50 components: five or more (public), odd (private)", mnist, (PCA(50),)),
    "digits": ("Digits: five or more (public), odd (private)", digits, ()),
}


def raw(X: Any, y: Any, private: Any) -> str:
    """Return the row of records that are not encoded, of the half that is tested."""
    test = train_test_split(np.arange(len(y)), test_size=0.5, stratify=private, random_state=0)[1]
    found = private_label_risk(X[test], private[test], public=y[test], random_state=0)
    best = found[found["attacker"] == "best"].set_index("label")
    own = found[(found["label"] == "private") & (found["attacker"] != "best")]
    name = own.loc[own["balanced_accuracy"].idxmax(), "attacker"]
    cells = [_cell(*best.loc[label, ["balanced_accuracy", "low", "high"]]) for label in best.index]
    return f"| not encoded | {cells[1]} | {cells[0]} | {name} |"


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def run(name: str, lams: list[float], *, records: int, epochs: int, components: int) -> None:
    title, load, before = EXPERIMENTS[name]
    X, y, private = load(records)
    if before:
        X = make_pipeline(*before).fit_transform(X)
    start = time.perf_counter()
    network = AnonymizingEncoder(max_epochs=epochs, n_components=components)
    encoder = make_pipeline(StandardScaler(), network)
    frontier = privacy_frontier(encoder, X, y, private, lams, random_state=0)
    seconds = time.perf_counter() - start
    print(f"\n{title}; {len(y)} records, {X.shape[1]} features, {seconds / len(lams):.0f} s each\n")
    print("| lam | public | private, best attacker | the best |")
    print("| --- | --- | --- | --- |")
    print(raw(X, y, private))
    for row in frontier.to_dict("records"):
        cells = [
            _cell(*(row[f"{label}_{part}"] for part in ("accuracy", "low", "high")))
            for label in ("public", "private")
        ]
        print(f"| {row['lam']:g} | {cells[0]} | {cells[1]} | {row['attacker']} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--lams", type=float, nargs="+", default=[0, 0.3, 1, 3, 10])
    parser.add_argument("--records", type=int, default=4000, help="at most")
    parser.add_argument("--epochs", type=int, default=30, help="of training")
    parser.add_argument("--components", type=int, default=4, help="outputs of the encoder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("Balanced accuracy, of which chance is .5, with 95 % intervals; of the best of logistic")
    print("regression, forest, nearest neighbours and network, corrected for the choice.")
    for name in args.names or EXPERIMENTS:
        sizes = {"epochs": args.epochs, "components": args.components}
        run(name, args.lams, records=args.records, **sizes)


if __name__ == "__main__":
    main()
