"""What is collected below `genlab/`: adapters only where the library of each is installed."""

from __future__ import annotations

import os
from importlib.util import find_spec

# Before DeepXDE is imported, which else looks for a backend and writes down what it found.
os.environ.setdefault("DDE_BACKEND", "pytorch")

LIBRARIES = ("deepxde", "pina")
collect_ignore = [f"genlab/adapters/{name}.py" for name in LIBRARIES if find_spec(name) is None]
