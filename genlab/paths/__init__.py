"""Probability paths of flow matching: how noise becomes data in the time from 0 to 1."""

from genlab.paths.geodesic import GeodesicPath
from genlab.paths.path import (
    Coefficients,
    CosinePath,
    LinearPath,
    Path,
    PathSample,
    Prediction,
    VariancePreservingPath,
)
from genlab.paths.times import Times

__all__ = [
    "Coefficients",
    "CosinePath",
    "GeodesicPath",
    "LinearPath",
    "Path",
    "PathSample",
    "Prediction",
    "Times",
    "VariancePreservingPath",
]
