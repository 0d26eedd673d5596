"""Physics-informed networks whose collocation points are chosen by samplers."""

from genlab.pinn.collocation import Collocation
from genlab.pinn.indicators import SquaredGradient, SquaredResidual, WeightedSum
from genlab.pinn.keeping import StageImages
from genlab.pinn.network import Network
from genlab.pinn.residual_data import ResidualData
from genlab.pinn.solver import Solver

__all__ = [
    "Collocation",
    "Network",
    "ResidualData",
    "Solver",
    "SquaredGradient",
    "SquaredResidual",
    "StageImages",
    "WeightedSum",
]
