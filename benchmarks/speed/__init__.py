"""The comparisons that `benchmarks/run.py` prints, one a file.

Each file has `run(settings) -> Outcome`.
"""
