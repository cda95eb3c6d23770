"""Training networks, many at once."""
