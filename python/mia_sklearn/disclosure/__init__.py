"""What else a model gives away, beside who was in its training set."""

from ._attribute_report import AttributeReport
from ._attributes import AttributeInference

__all__ = ["AttributeInference", "AttributeReport"]
