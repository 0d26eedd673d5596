"""Data: streams, sets, DataModules, and tables in files; each is imported on first use.

What reads a table's file needs no torch, and is at hand without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genlab.data.coarse_fields import CoarseFields
    from genlab.data.field_data import FieldData
    from genlab.data.fixed_sets import FixedSets, Sets
    from genlab.data.image_data import ImageData
    from genlab.data.image_sources import Digits, IDXFiles, ImageFolder, Images, ImageSource, Splits
    from genlab.data.image_stream import ImageStream
    from genlab.data.maf_sets import BSDS300, Gas, Hepmass, MiniBooNE, Power
    from genlab.data.module import DataModule
    from genlab.data.shuffled_pools import ShuffledPools
    from genlab.data.simulated_fields import MovedSet, SimulatedFields
    from genlab.data.stored_fields import StoredFields
    from genlab.data.streams import FreshSamples, NoSamples, ShuffledSet, Stream
    from genlab.data.table_data import TableData
    from genlab.data.table_file import TableFile
    from genlab.data.target_data import TargetData
    from genlab.data.target_density import TargetDensity
    from genlab.data.torsions.data import TorsionData
    from genlab.data.torsions.structure_files import StructureFiles
    from genlab.data.torsions.table import TorsionTable

# Where each is defined.
HOMES = {
    "coarse_fields": ("CoarseFields",),
    "field_data": ("FieldData",),
    "fixed_sets": ("FixedSets", "Sets"),
    "image_data": ("ImageData",),
    "image_sources": ("Digits", "IDXFiles", "ImageFolder", "ImageSource", "Images", "Splits"),
    "image_stream": ("ImageStream",),
    "maf_sets": ("BSDS300", "Gas", "Hepmass", "MiniBooNE", "Power"),
    "module": ("DataModule",),
    "simulated_fields": ("MovedSet", "SimulatedFields"),
    "shuffled_pools": ("ShuffledPools",),
    "stored_fields": ("StoredFields",),
    "streams": ("FreshSamples", "NoSamples", "ShuffledSet", "Stream"),
    "table_data": ("TableData",),
    "table_file": ("TableFile",),
    "target_data": ("TargetData",),
    "target_density": ("TargetDensity",),
    "torsions.data": ("TorsionData",),
    "torsions.structure_files": ("StructureFiles",),
    "torsions.table": ("TorsionTable",),
}
MODULES = {name: module for module, names in HOMES.items() for name in names}

__all__ = [
    "BSDS300",
    "CoarseFields",
    "DataModule",
    "Digits",
    "FieldData",
    "FixedSets",
    "FreshSamples",
    "Gas",
    "Hepmass",
    "IDXFiles",
    "ImageData",
    "ImageFolder",
    "ImageSource",
    "ImageStream",
    "Images",
    "MiniBooNE",
    "MovedSet",
    "NoSamples",
    "Power",
    "Sets",
    "ShuffledPools",
    "ShuffledSet",
    "SimulatedFields",
    "Splits",
    "StoredFields",
    "Stream",
    "StructureFiles",
    "TableData",
    "TableFile",
    "TargetData",
    "TargetDensity",
    "TorsionData",
    "TorsionTable",
]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return getattr(import_module(f"genlab.data.{MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
