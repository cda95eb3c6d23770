"""Plain functions under audit, with their queries counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._records._index import in_order_asked, row_labels
from .._records._rows import n_rows

__all__ = ["CountedFunction"]


class CountedFunction:
    """A function of records that may be asked about so many, and no more."""

    def __init__(self, function: Callable[[Any], Any], query_budget: int | None) -> None:
        if query_budget is not None and query_budget < 1:
            raise ValueError(f"query_budget must be at least 1, got {query_budget!r}.")
        self.function = function
        self.query_budget = query_budget
        self.n_queries_ = 0

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def queries_left(self) -> int | None:
        return None if self.query_budget is None else self.query_budget - self.n_queries_

    def check_budget(self, n: int) -> None:
        """Raise if more queries would go over the budget.

        Parameters
        ----------
        n : int
            How many more.

        Raises
        ------
        ValueError
            If they would.
        """
        if self.query_budget is not None and self.n_queries_ + n > self.query_budget:
            raise ValueError(
                f"query_budget allows {self.query_budget} queries; {self.n_queries_} were made "
                f"and {n} more are needed. Raise query_budget, or audit fewer records "
                "(max_records=)."
            )

    def _answers(self, X: Any) -> Any:
        self.check_budget(n_rows(X))
        self.n_queries_ += n_rows(X)
        # The function may sort what it is given.
        labels = row_labels(X)
        return in_order_asked("The function", self.function(X), labels)
