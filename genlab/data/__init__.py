"""Data: streams, sets, DataModules."""

from genlab.data.digits import Digits
from genlab.data.fixed_sets import FixedSets, Sets
from genlab.data.idx_files import IDXFiles
from genlab.data.image_data import ImageData
from genlab.data.image_folder import ImageFolder
from genlab.data.image_stream import ImageStream
from genlab.data.images import Images, ImageSource, Splits
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
    "Digits",
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
    "NoSamples",
    "Power",
    "Sets",
    "ShuffledSet",
    "Splits",
    "Stream",
    "TableData",
    "TableFile",
    "TargetData",
    "TargetDensity",
]
