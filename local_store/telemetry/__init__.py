"""Measurements: append-only tail, compressed chunks, roll-ups."""
