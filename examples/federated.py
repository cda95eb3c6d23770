"""Federated training: what the server learns of one participant's records. Needs torch."""

import numpy as np
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from torch import nn

from mia_sklearn.attacks import RoundLossAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.torch import FederatedTraining, GlobalObserver

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
rows = np.random.default_rng(0).permutation(len(y))
participants = [rows[:100], rows[100:200], rows[200:300]]

# Whose records are in question: those of participant 0, and as many that nobody holds.
asked = np.concatenate([participants[0], rows[300:400]])
member = np.arange(200) < 100
known = np.arange(200) % 2 == 0  # the attacker knows of every other record what it is

net = NeuralNetClassifier(
    nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
    criterion=nn.CrossEntropyLoss,
    lr=0.2,
    batch_size=16,
)
attackers = {
    "watches": GlobalObserver(X[asked], y[asked], participants=0, parts=()),
    "raises the loss": GlobalObserver(X[asked], y[asked], participants=0, parts=(), ascent=1.0),
    "isolates": GlobalObserver(X[asked], y[asked], participants=0, parts=(), isolate=True),
}
for what, server in attackers.items():
    training = FederatedTraining(
        net, rounds=10, local_epochs=2, observers=[server], random_state=0
    ).fit(X, y, participants=participants)
    seen = server.observations()
    attack = RoundLossAttack().fit(seen[known], member[known])
    auc = roc_auc(member[~known], attack.decision_function(seen[~known]))
    accuracy = training.history_["accuracy"].iloc[-1]
    print(f"The server {what}: AUC {auc}; accuracy on the training records {accuracy:.3f}")
