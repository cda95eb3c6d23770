"""Everything that needs torch: networks as targets, and what looks inside them."""

try:
    import skorch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "mia_sklearn.torch needs torch and skorch, which are optional: "
        "pip install 'mia-sklearn[torch]'."
    ) from error

from ._dpsgd import DPSGD
from ._federated import FederatedTraining
from ._federated_hooks import FederatedObserver
from ._federated_observers import GlobalObserver, LocalObserver
from ._target import TorchTarget
from ._unsupervised_attack import UnsupervisedWhiteBoxAttack
from ._white_box_attack import WhiteBoxAttack

__all__ = [
    "DPSGD",
    "FederatedObserver",
    "FederatedTraining",
    "GlobalObserver",
    "LocalObserver",
    "TorchTarget",
    "UnsupervisedWhiteBoxAttack",
    "WhiteBoxAttack",
]
