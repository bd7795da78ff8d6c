"""Measurements, each a command of its own; results go to docs/benchmarks.md."""
