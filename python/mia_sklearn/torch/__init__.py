"""Everything that needs torch: networks as targets, what looks inside, what defends them."""

try:
    import skorch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "mia_sklearn.torch needs torch and skorch, which are optional: "
        "pip install 'mia-sklearn[torch]'."
    ) from error

from ._adversarial_regularization import AdversarialRegularization
from ._anonymizing_encoder import AnonymizingEncoder
from ._dpsgd import DPSGD
from ._dropout_defense import DropoutDefense
from ._early_stopping_defense import EarlyStoppingDefense
from ._federated import FederatedTraining
from ._federated_hooks import FederatedObserver
from ._federated_observers import GlobalObserver, LocalObserver
from ._gan import GAN
from ._gan_ensemble import train_gans
from ._informed_gan import InformedGAN
from ._membership_curve import MembershipCurve
from ._relax_loss import RelaxLoss
from ._target import TorchTarget
from ._unsupervised_attack import UnsupervisedWhiteBoxAttack
from ._weight_penalty import WeightPenalty
from ._white_box_attack import WhiteBoxAttack

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
