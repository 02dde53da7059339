"""Measures the hub's way from a file to records beside other ways of doing the same: `python -m tests.benchmarks`."""
