"""Data: streams, sets, DataModules."""

from genlab.data.module import DataModule
from genlab.data.streams import FreshSamples, NoSamples, ShuffledSet, Stream
from genlab.data.target_data import TargetData
from genlab.data.target_density import TargetDensity

__all__ = [
    "DataModule",
    "FreshSamples",
    "NoSamples",
    "ShuffledSet",
    "Stream",
    "TargetData",
    "TargetDensity",
]
