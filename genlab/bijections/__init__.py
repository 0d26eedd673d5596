"""Invertible maps with known Jacobian determinants."""

from genlab.bijections.actnorm import ActNorm
from genlab.bijections.affine import Affine
from genlab.bijections.alternating import AlternatingCouplings
from genlab.bijections.autoregressive import Autoregressive
from genlab.bijections.bijection import Bijection
from genlab.bijections.bounded_affine import BoundedAffine
from genlab.bijections.by_torchdiffeq import explained
from genlab.bijections.cdf_layer import CDFLayer
from genlab.bijections.circular import CircularSpline
from genlab.bijections.compose import Compose
from genlab.bijections.coupling import Coupling
from genlab.bijections.elementwise import Elementwise
from genlab.bijections.flatten import Flatten
from genlab.bijections.freeze import Freeze
from genlab.bijections.half_free import HalfFreeCoupling
from genlab.bijections.inverse import Inverse
from genlab.bijections.logit import LogitTransform
from genlab.bijections.lu_conv import LUConv
from genlab.bijections.lu_linear import LULinear
from genlab.bijections.mixed import Mixed
from genlab.bijections.multi_scale import ImageShape, multi_scale
from genlab.bijections.ode import ODE, Divergence, Gradient, PathCosts
from genlab.bijections.permutation import Permutation
from genlab.bijections.quantile import Logit, Probit, Quantile
from genlab.bijections.rational_quadratic import RationalQuadratic
from genlab.bijections.residual import ResidualBlocks, ResidualOptions
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.scaled_couplings import ScaledCouplings
from genlab.bijections.scaling import Scaling
from genlab.bijections.shift import Shift
from genlab.bijections.solvers import AdaptiveSolver, FixedStepSolver, Solver
from genlab.bijections.spline import Spline
from genlab.bijections.split import ChannelSplit, CheckerboardSplit, HalfSplit, WholeSplit
from genlab.bijections.squeeze import Squeeze
from genlab.bijections.standardise import Standardise
from genlab.bijections.unit_box import UnitBox

__all__ = [
    "ODE",
    "ActNorm",
    "AdaptiveSolver",
    "Affine",
    "AlternatingCouplings",
    "Autoregressive",
    "Bijection",
    "BoundedAffine",
    "CDFLayer",
    "ChannelSplit",
    "CheckerboardSplit",
    "CircularSpline",
    "Compose",
    "Coupling",
    "Divergence",
    "Elementwise",
    "FixedStepSolver",
    "Flatten",
    "Freeze",
    "Gradient",
    "HalfFreeCoupling",
    "HalfSplit",
    "ImageShape",
    "Inverse",
    "LUConv",
    "LULinear",
    "Logit",
    "LogitTransform",
    "Mixed",
    "PathCosts",
    "Permutation",
    "Probit",
    "Quantile",
    "RationalQuadratic",
    "ResidualBlocks",
    "ResidualOptions",
    "ScalarMap",
    "ScaledCouplings",
    "Scaling",
    "Shift",
    "Solver",
    "Spline",
    "Squeeze",
    "Standardise",
    "UnitBox",
    "WholeSplit",
    "explained",
    "multi_scale",
]
