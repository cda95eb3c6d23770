"""Attacks on a model that ask something else than who was in its training set."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["INFERENCES", "Inference"]


class Inference(NamedTuple):
    """One attack of `mia_sklearn.disclosure`."""

    #: Short name, as the report's list of attacks has it.
    name: str
    #: Where it is: its module and its name, with a colon between.
    path: str
    #: What the attacker can see.
    threat_model: str
    #: What the attacker knows beside that.
    knowledge: str
    #: What is asked.
    question: str
    #: Whether it is asked of classifiers: what an audit lists.
    of_classifiers: bool = True

    @property
    def where(self) -> str:
        return self.path.replace(":", ".")


_HOME = "mia_sklearn.disclosure:"
INFERENCES = (
    Inference(
        "attribute-inference",
        _HOME + "AttributeInference",
        "black-box",
        "all other features of the record and its true label; how the model was trained; records "
        "like the training data, on which reference models were trained",
        "a feature of someone in the training data",
    ),
    Inference(
        "model-inversion",
        _HOME + "ModelInversion",
        "black-box",
        "the labels",
        "what the training records of a label look like",
    ),
    Inference(
        "canary-exposure",
        _HOME + "canary_exposure",
        "black-box",
        "all but a secret part of the sequence",
        "a secret that a model of sequences was trained on",
        of_classifiers=False,
    ),
    Inference(
        "private-label",
        _HOME + "private_label_risk",
        "black-box",
        "encoded records of some people with their private labels",
        "a private label of someone whose record was encoded",
        of_classifiers=False,
    ),
)
