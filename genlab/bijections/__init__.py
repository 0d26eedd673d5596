"""Invertible maps with known Jacobian determinants."""

from genlab.bijections.actnorm import ActNorm
from genlab.bijections.affine import Affine
from genlab.bijections.alternating import AlternatingCouplings
from genlab.bijections.bijection import Bijection
from genlab.bijections.compose import Compose
from genlab.bijections.coupling import Coupling
from genlab.bijections.inverse import Inverse
from genlab.bijections.lu_linear import LULinear
from genlab.bijections.ode import ODE, Divergence, Gradient, PathCosts
from genlab.bijections.permutation import Permutation
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.scaling import Scaling
from genlab.bijections.shift import Shift
from genlab.bijections.solvers import AdaptiveSolver, FixedStepSolver, Solver, explained
from genlab.bijections.split import HalfSplit
from genlab.bijections.standardise import Standardise

__all__ = [
    "ODE",
    "ActNorm",
    "AdaptiveSolver",
    "Affine",
    "AlternatingCouplings",
    "Bijection",
    "Compose",
    "Coupling",
    "Divergence",
    "FixedStepSolver",
    "Gradient",
    "HalfSplit",
    "Inverse",
    "LULinear",
    "PathCosts",
    "Permutation",
    "ScalarMap",
    "Scaling",
    "Shift",
    "Solver",
    "Standardise",
    "explained",
]
