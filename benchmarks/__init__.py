"""One file per claim; `python -m benchmarks` runs them all."""
