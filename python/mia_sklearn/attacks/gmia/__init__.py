"""Generalized membership inference (GMIA): records that stand out in the references' eyes."""

from ._direct import GMIAAttack

__all__ = ["GMIAAttack"]
