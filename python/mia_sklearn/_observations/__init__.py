"""The table that attacks read: one row per record, a target's answers beside references'."""
