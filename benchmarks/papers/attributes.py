"""What models give away of a feature of their training records, beside guesses without them.

Adult, `--records` members and as many non-members; the attacker holds twice as many other records.
The learned attack is fitted once for each kind of model, and set on `--targets` models trained on
disjoint records. `python benchmarks/papers/attributes.py` prints the tables for sex; `... forest
--feature age` that of one kind of model for another feature. The folder of the data sets is read
from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.datasets import load_adult
from mia_sklearn.disclosure import AttributeInference, AttributeReport
from mia_sklearn.stats import Difference, paired_difference

MODELS: dict[str, Any] = {
    "forest": RandomForestClassifier(random_state=0),
    "leaves of 5": RandomForestClassifier(min_samples_leaf=5, random_state=0),
    "extra trees": ExtraTreesClassifier(random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "neighbours": KNeighborsClassifier(5),
    "boosting": GradientBoostingClassifier(random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(random_state=0),
}
PUBLISHED = ("Fredrikson", "CSMIA", "LOMIA")
PROTOTYPE = """\
A prototype's figures for sex, 5,000 + 5,000 records: imputation .851; forest .889 of members,
(i) +.035 ± .006, members less the same records under the complementary model +.057 ± .006; its
published attacks .670 (Fredrikson), .758 (CSMIA), .519 (LOMIA); extra trees (i) +.088; leaves of 5
+.008; tree, neighbours and boosting about 0."""


def records() -> tuple[Any, Any]:
    X, y = load_adult(return_X_y=True)
    words = X.select_dtypes(exclude="number").columns
    X[words] = X[words].astype(object).where(X[words].notna(), "?")
    return X, y.to_numpy()


def pipeline(X: Any, model: Any) -> Any:
    words = list(X.select_dtypes(exclude="number").columns)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer((encoder, words), remainder=StandardScaler()), clone(model)
    )


def run(name: str, args: argparse.Namespace) -> None:
    start = time.perf_counter()
    X, y = records()
    model = pipeline(X, MODELS[name])
    rows = np.random.default_rng(args.seed).permutation(len(y))
    n = args.records
    attack = AttributeInference(
        args.feature, estimator=model, n_references=args.references, random_state=args.seed
    )
    aux = rows[-2 * n :]
    attack.fit(X.iloc[aux], y[aux])
    parts = [rows[k * n : (k + 1) * n] for k in range(2 * args.targets)]
    reports, nulls, complements = [], [], []
    for k in range(args.targets):
        inside, outside = parts[2 * k : 2 * k + 2]
        target, complement = (clone(model).fit(X.iloc[own], y[own]) for own in (inside, outside))
        reports.append(_report(attack, target, (X, y), inside, outside))
        right = attack.predict(complement, X.iloc[inside], y[inside])
        under_complement = attack.values_[reports[-1].members.truth] == right
        under_target = reports[-1].members.right("learned")
        complements.append(paired_difference(under_target, under_complement))
        # Two sets of records, neither of which the model was trained on.
        others = parts[2 * k - 2 : 2 * k] if k else parts[2:4]
        if len(others) == 2:
            nulls.append(_report(attack, target, (X, y), *others))
    _print(name, reports, nulls, complements, time.perf_counter() - start)


def _report(attack: Any, target: Any, data: Any, inside: Any, outside: Any) -> AttributeReport:
    X, y = data
    return attack.report(target, X.iloc[inside], y[inside], X.iloc[outside], y[outside])


def _print(name: str, reports: Any, nulls: Any, complements: Any, seconds: float) -> None:
    cells = [
        name,
        *(_share(reports, attack) for attack in ("imputation", "learned", *PUBLISHED)),
        *(
            _pooled([getattr(report, figure) for report in reports])
            for figure in ("on_members", "on_nonmembers", "difference")
        ),
        _pooled(complements),
        f"{np.mean([r.overridden for r in reports]):.1%}, "
        f"{np.nanmean([r.right_when_overridden for r in reports]):.0%}",
        f"{sum(r.leaks for r in reports)} of {len(reports)}",
        f"{sum(r.leaks for r in nulls)} of {len(nulls)}",
        f"{seconds:.0f} s",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def _share(reports: list[AttributeReport], attack: str) -> str:
    return f"{np.mean([report.members.right(attack).mean() for report in reports]):.3f}"


def _pooled(found: list[Any]) -> str:
    """Return the mean over targets with its interval, from the intervals of each."""
    value = np.mean([one.value for one in found])
    low, high = (
        np.sqrt(np.sum([(getattr(one, end) - one.value) ** 2 for one in found])) / len(found)
        for end in ("low", "high")
    )
    pooled = Difference(value, value - low, value + high)
    return f"{pooled.value:+.3f} [{pooled.low:+.3f}, {pooled.high:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MODELS)}; all by default")
    parser.add_argument("--feature", default="sex", help="a column of Adult")
    parser.add_argument("--records", type=int, default=5000, help="members, and non-members")
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--targets", type=int, default=3, help="models of each kind attacked")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(PROTOTYPE)
    print(
        f"\nAdult, {args.feature}, {args.targets} targets of each kind, {args.records} members and "
        "as many non-members each. Accuracies on members; (i) the learned attack less imputation "
        "on members, (ii) on non-members, (iii) (i) less (ii); intervals of 95 %.\n"
    )
    heads = [
        *("model", "imputation", "learned", *PUBLISHED, "(i)", "(ii)", "(iii)"),
        *("less the same under the complement", "overridden, right", "called leaking"),
        *("called leaking on others' records", "time"),
    ]
    print(f"| {' | '.join(heads)} |")
    print(f"|{' --- |' * len(heads)}")
    for name in args.names or MODELS:
        run(name, args)


if __name__ == "__main__":
    main()
