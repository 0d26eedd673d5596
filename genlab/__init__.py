"""Train generative models on any target, and compare each run with the exact answer.

``genlab.experiment("model=realnvp", "data=moons")`` builds a run; ``genlab.load(run_dir)`` reads
one back. Both are imported on first use: ``import genlab`` costs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genlab.assembly import experiment, load

__all__ = ["__version__", "experiment", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in ("experiment", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from genlab import assembly

    return getattr(assembly, name)


def __dir__() -> list[str]:
    return sorted(__all__)
