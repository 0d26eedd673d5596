"""Data: streams, sets, DataModules."""

from genlab.data.digits import Digits
from genlab.data.idx_files import IDXFiles
from genlab.data.image_data import ImageData
from genlab.data.image_folder import ImageFolder
from genlab.data.module import DataModule
from genlab.data.picture_stream import PictureStream
from genlab.data.pictures import Pictures, PictureSource, Splits
from genlab.data.streams import FreshSamples, NoSamples, ShuffledSet, Stream
from genlab.data.target_data import TargetData
from genlab.data.target_density import TargetDensity

__all__ = [
    "DataModule",
    "Digits",
    "FreshSamples",
    "IDXFiles",
    "ImageData",
    "ImageFolder",
    "NoSamples",
    "PictureSource",
    "PictureStream",
    "Pictures",
    "ShuffledSet",
    "Splits",
    "Stream",
    "TargetData",
    "TargetDensity",
]
