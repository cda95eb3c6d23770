"""The membership-inference privacy audit for scikit-learn models."""

__version__ = "0.1.0"
