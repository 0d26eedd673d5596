"""Domains, problems with their exact solutions, derivatives of u."""

from genlab.pde.boundary import Boundary, Faces, WholeBoundary
from genlab.pde.combinations import Difference, Intersection, Union
from genlab.pde.custom import CustomProblem
from genlab.pde.cylinder import Cylinder, CylinderBoundary
from genlab.pde.derivatives import Jet, Tape, differentiate, propagate, record
from genlab.pde.domain import Box, Domain, IndicatorDomain
from genlab.pde.elliptic import Corner, DiskPeak, Linear10, Nonlinear10, Peak, TwoPeaks
from genlab.pde.evolutions import AllenCahn, Burgers, Diffusion
from genlab.pde.grid import Grid, grid_divergence
from genlab.pde.problem import Problem, Reference
from genlab.pde.shapes import Ball, Disk, LShape, Polygon

__all__ = [
    "AllenCahn",
    "Ball",
    "Boundary",
    "Box",
    "Burgers",
    "Corner",
    "CustomProblem",
    "Cylinder",
    "CylinderBoundary",
    "Difference",
    "Diffusion",
    "Disk",
    "DiskPeak",
    "Domain",
    "Faces",
    "Grid",
    "IndicatorDomain",
    "Intersection",
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
    "Union",
    "WholeBoundary",
    "differentiate",
    "grid_divergence",
    "propagate",
    "record",
]
