"""Training in rounds, and those who watch it."""
