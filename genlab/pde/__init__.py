"""Domains, problems with their exact solutions, derivatives of u."""

from genlab.pde.boundary import Boundary, Faces, WholeBoundary
from genlab.pde.coefficients import Coefficient
from genlab.pde.combinations import Difference, Intersection, Union
from genlab.pde.conditions import Condition, Dirichlet, Initial, Measured, Neumann, Periodic, Robin
from genlab.pde.custom import CustomProblem
from genlab.pde.cylinder import Cylinder, CylinderBoundary
from genlab.pde.derivatives import Carried, Jet, Jets, Order, differentiate, jets_of, joined
from genlab.pde.domain import Box, Domain, IndicatorDomain
from genlab.pde.elliptic import Corner, DiskPeak, Linear10, Nonlinear10, Peak, TwoPeaks
from genlab.pde.evolutions import AllenCahn, Burgers, Diffusion
from genlab.pde.flows import Cavity, Kovasznay, Layer
from genlab.pde.grid import Grid, grid_divergence
from genlab.pde.inverse import InverseDiffusion
from genlab.pde.problem import Problem, Reference, squared
from genlab.pde.propagation import Product, Tape, embed, propagate, record
from genlab.pde.shapes import Ball, Disk, LShape, Polygon
from genlab.pde.waves import Helmholtz, Wave

__all__ = [
    "AllenCahn",
    "Ball",
    "Boundary",
    "Box",
    "Burgers",
    "Carried",
    "Cavity",
    "Coefficient",
    "Condition",
    "Corner",
    "CustomProblem",
    "Cylinder",
    "CylinderBoundary",
    "Difference",
    "Diffusion",
    "Dirichlet",
    "Disk",
    "DiskPeak",
    "Domain",
    "Faces",
    "Grid",
    "Helmholtz",
    "IndicatorDomain",
    "Initial",
    "Intersection",
    "InverseDiffusion",
    "Jet",
    "Jets",
    "Kovasznay",
    "LShape",
    "Layer",
    "Linear10",
    "Measured",
    "Neumann",
    "Nonlinear10",
    "Order",
    "Peak",
    "Periodic",
    "Polygon",
    "Problem",
    "Product",
    "Reference",
    "Robin",
    "Tape",
    "TwoPeaks",
    "Union",
    "Wave",
    "WholeBoundary",
    "differentiate",
    "embed",
    "grid_divergence",
    "jets_of",
    "joined",
    "propagate",
    "record",
    "squared",
]
