"""``python -m genlab``: the same as the command ``genlab``."""

from __future__ import annotations

import sys

from genlab.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
