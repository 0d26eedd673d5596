"""Data: streams, sets, DataModules."""

from genlab.data.fixed_sets import FixedSets, Sets
from genlab.data.maf_sets import BSDS300, Gas, Hepmass, MiniBooNE, Power
from genlab.data.module import DataModule
from genlab.data.streams import FreshSamples, NoSamples, ShuffledSet, Stream
from genlab.data.table_data import TableData
from genlab.data.table_file import TableFile
from genlab.data.target_data import TargetData
from genlab.data.target_density import TargetDensity

__all__ = [
    "BSDS300",
    "DataModule",
    "FixedSets",
    "FreshSamples",
    "Gas",
    "Hepmass",
    "MiniBooNE",
    "NoSamples",
    "Power",
    "Sets",
    "ShuffledSet",
    "Stream",
    "TableData",
    "TableFile",
    "TargetData",
    "TargetDensity",
]
