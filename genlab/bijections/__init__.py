"""Invertible maps with known Jacobian determinants."""

from genlab.bijections.argmax import Argmax, n_coordinates
from genlab.bijections.autoregressive import Autoregressive, Elementwise
from genlab.bijections.bijection import Bijection, Compose, Inverse
from genlab.bijections.cdf_layer import CDFLayer
from genlab.bijections.coordinates import OnCoordinates
from genlab.bijections.coupling import (
    AlternatingCouplings,
    CheckerboardSplit,
    Coupling,
    HalfFreeCoupling,
    HalfSplit,
    ScaledCouplings,
    Split,
    WholeSplit,
)
from genlab.bijections.domains import Logit, LogitTransform, Probit, Quantile, UnitBox
from genlab.bijections.elementwise_affine import ActNorm, Scaling, Standardise
from genlab.bijections.half_line import HalfLine
from genlab.bijections.lu_linear import LUConv, LULinear
from genlab.bijections.ode import ODE, DivergenceMethod, ODEGradient, PathCosts
from genlab.bijections.periodic_convolution import Hartley, PeriodicConvolution
from genlab.bijections.posterior import PosteriorStandardise
from genlab.bijections.reshaping import (
    Flatten,
    Freeze,
    ImageShape,
    Permutation,
    Squeeze,
    multi_scale,
)
from genlab.bijections.residual import ResidualBlocks, ResidualOptions
from genlab.bijections.scalar_map import Affine, BoundedAffine, Mixed, ScalarMap, Shift
from genlab.bijections.solvers import AdaptiveSolver, FixedStepSolver, ODESolver
from genlab.bijections.spectral import SpectralStandardise, SpectralStandardiseGiven
from genlab.bijections.spline import CircularSpline, RationalQuadratic, Spline
from genlab.bijections.wrapping import Wrap

__all__ = [
    "ODE",
    "ActNorm",
    "AdaptiveSolver",
    "Affine",
    "AlternatingCouplings",
    "Argmax",
    "Autoregressive",
    "Bijection",
    "BoundedAffine",
    "CDFLayer",
    "CheckerboardSplit",
    "CircularSpline",
    "Compose",
    "Coupling",
    "DivergenceMethod",
    "Elementwise",
    "FixedStepSolver",
    "Flatten",
    "Freeze",
    "HalfFreeCoupling",
    "HalfLine",
    "HalfSplit",
    "Hartley",
    "ImageShape",
    "Inverse",
    "LUConv",
    "LULinear",
    "Logit",
    "LogitTransform",
    "Mixed",
    "ODEGradient",
    "ODESolver",
    "OnCoordinates",
    "PathCosts",
    "PeriodicConvolution",
    "Permutation",
    "PosteriorStandardise",
    "Probit",
    "Quantile",
    "RationalQuadratic",
    "ResidualBlocks",
    "ResidualOptions",
    "ScalarMap",
    "ScaledCouplings",
    "Scaling",
    "Shift",
    "SpectralStandardise",
    "SpectralStandardiseGiven",
    "Spline",
    "Split",
    "Squeeze",
    "Standardise",
    "UnitBox",
    "WholeSplit",
    "Wrap",
    "multi_scale",
    "n_coordinates",
]
