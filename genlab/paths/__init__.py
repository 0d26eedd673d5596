"""Probability paths of flow matching: how noise becomes data in the time from 0 to 1."""

from genlab.paths.cosine import CosinePath
from genlab.paths.linear import LinearPath
from genlab.paths.path import Coefficients, Path, PathSample, Prediction
from genlab.paths.times import Times
from genlab.paths.variance_preserving import VariancePreservingPath

__all__ = [
    "Coefficients",
    "CosinePath",
    "LinearPath",
    "Path",
    "PathSample",
    "Prediction",
    "Times",
    "VariancePreservingPath",
]
