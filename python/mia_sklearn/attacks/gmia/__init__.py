"""The generalized attack of Long et al.: vulnerable records, asked about directly or not at all."""

from ._direct import GMIAAttack
from ._enhancing import EnhancingRecords
from ._found_queries import FoundQueries
from ._indirect import IndirectGMIAAttack

__all__ = ["EnhancingRecords", "FoundQueries", "GMIAAttack", "IndirectGMIAAttack"]
