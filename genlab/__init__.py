"""Train generative models on any target, and compare each run with the exact answer.

``genlab.experiment("model=realnvp", "data=moons")`` builds a run, ``genlab.load(run_dir)`` reads
one back; ``genlab.fit(model, x)`` trains a model on an array without a run,
``genlab.score(model, x)`` gives its log-densities, ``genlab.sample(model, n)`` its samples;
``genlab.runs()`` is the table of all runs. All is imported on first use: ``import genlab`` costs no
torch.

>>> import genlab
>>> genlab.models.NSF(2).sample(5).shape
torch.Size([5, 2])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genlab import (
        bijections,
        densities,
        fields,
        models,
        nn,
        objectives,
        paths,
        pde,
        runs,
        samplers,
        targets,
    )
    from genlab.arrays import fit, sample, score
    from genlab.assembly import experiment, load
    from genlab.data.column_transforms import columns

__all__ = [
    "__version__",
    "bijections",
    "columns",
    "densities",
    "experiment",
    "fields",
    "fit",
    "load",
    "models",
    "nn",
    "objectives",
    "paths",
    "pde",
    "runs",
    "sample",
    "samplers",
    "score",
    "targets",
]

__version__ = "0.1.0"

# Where the functions live; the other names are rooms.
HOMES = {
    "columns": "data.column_transforms",
    **dict.fromkeys(("experiment", "load"), "assembly"),
    **dict.fromkeys(("fit", "sample", "score"), "arrays"),
}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(f"genlab.{HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"genlab.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
