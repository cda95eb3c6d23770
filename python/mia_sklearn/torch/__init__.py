"""Everything that needs torch: networks as targets, what looks inside, what defends them."""

try:
    import skorch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "mia_sklearn.torch needs torch and skorch, which are optional: "
        "pip install 'mia-sklearn[torch]'."
    ) from error

from ._attacks._membership_curve import MembershipCurve
from ._attacks._unsupervised_attack import UnsupervisedWhiteBoxAttack
from ._attacks._white_box_attack import WhiteBoxAttack
from ._defenses._adversarial_regularization import AdversarialRegularization
from ._defenses._anonymizing_encoder import AnonymizingEncoder
from ._defenses._dpsgd import DPSGD
from ._defenses._dropout_defense import DropoutDefense
from ._defenses._early_stopping_defense import EarlyStoppingDefense
from ._defenses._relax_loss import RelaxLoss
from ._defenses._weight_penalty import WeightPenalty
from ._federated._federated import FederatedTraining
from ._federated._federated_hooks import FederatedObserver
from ._federated._federated_observers import GlobalObserver, LocalObserver
from ._gans._gan import GAN
from ._gans._gan_ensemble import train_gans
from ._gans._informed_gan import InformedGAN
from ._targets._target import TorchTarget

__all__ = [
    "DPSGD",
    "GAN",
    "AdversarialRegularization",
    "AnonymizingEncoder",
    "DropoutDefense",
    "EarlyStoppingDefense",
    "FederatedObserver",
    "FederatedTraining",
    "GlobalObserver",
    "InformedGAN",
    "LocalObserver",
    "MembershipCurve",
    "RelaxLoss",
    "TorchTarget",
    "UnsupervisedWhiteBoxAttack",
    "WeightPenalty",
    "WhiteBoxAttack",
    "train_gans",
]
