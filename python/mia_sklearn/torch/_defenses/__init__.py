"""Defenses of networks."""
