"""The parts of `scripts/benchmark.py` and `scripts/league.py`, an idea a file."""
