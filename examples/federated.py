"""
Federated training
==================

Federated training: what the server learns of one participant's records. Needs torch.
"""

import numpy as np
from sklearn.datasets import make_classification
from skorch import NeuralNetClassifier
from torch import nn

from mia_sklearn.attacks import RoundLossAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.torch import FederatedTraining, GlobalObserver


class Network(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(40, 256), nn.ReLU(), nn.Linear(256, 4))


# One label in five is wrong, and can only be learned by heart.
X, y = make_classification(800, 40, n_informative=10, n_classes=4, flip_y=0.2, random_state=0)
X = X.astype(np.float32)
participants = [np.arange(0, 200), np.arange(200, 400), np.arange(400, 600)]

# Whose records are in question: those of participant 0, and as many that nobody holds.
asked = np.concatenate([participants[0], np.arange(600, 800)])
member = np.arange(400) < 200
known = np.arange(400) % 2 == 0  # the attacker knows of every other record what it is

net = NeuralNetClassifier(Network, criterion=nn.CrossEntropyLoss, lr=0.05, batch_size=16)
attackers = {
    "watches": GlobalObserver(X[asked], y[asked], participants=0, parts=()),
    "raises the loss": GlobalObserver(X[asked], y[asked], participants=0, parts=(), ascent=1.0),
    "isolates": GlobalObserver(X[asked], y[asked], participants=0, parts=(), isolate=True),
}
for what, server in attackers.items():
    training = FederatedTraining(
        net, rounds=8, local_epochs=5, observers=[server], random_state=0
    ).fit(X, y, participants=participants)
    seen = server.observations()
    attack = RoundLossAttack().fit(seen[known], member[known])
    auc = roc_auc(member[~known], attack.decision_function(seen[~known]))
    accuracy = training.history_["accuracy"].iloc[-1]
    print(f"The server {what}: AUC {auc}; accuracy on the training records {accuracy:.3f}")
