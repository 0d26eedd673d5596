"""Domains, problems with their exact solutions, derivatives of u."""

from genlab.pde.boundary import Boundary, Circle, Faces, Polygon
from genlab.pde.custom import CustomProblem
from genlab.pde.derivatives import Jet, Tape, differentiate, propagate, record
from genlab.pde.domain import Box, Disk, Domain, IndicatorDomain, LShape
from genlab.pde.elliptic import Corner, DiskPeak, Linear10, Nonlinear10, Peak, TwoPeaks
from genlab.pde.evolutions import AllenCahn, Burgers, Diffusion
from genlab.pde.grid import Grid, grid_divergence
from genlab.pde.problem import Problem, Reference

__all__ = [
    "AllenCahn",
    "Boundary",
    "Box",
    "Burgers",
    "Circle",
    "Corner",
    "CustomProblem",
    "Diffusion",
    "Disk",
    "DiskPeak",
    "Domain",
    "Faces",
    "Grid",
    "IndicatorDomain",
    "Jet",
    "LShape",
    "Linear10",
    "Nonlinear10",
    "Peak",
    "Polygon",
    "Problem",
    "Reference",
    "Tape",
    "TwoPeaks",
    "differentiate",
    "grid_divergence",
    "propagate",
    "record",
]
