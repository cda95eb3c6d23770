"""Attacks that are networks."""
