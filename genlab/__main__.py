"""``python -m genlab``: the same as the command ``genlab``."""

from __future__ import annotations

import sys

from genlab.cli.program import program

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(program())
