"""Physics-informed networks whose collocation points are chosen by samplers."""

from genlab.pinn.callbacks import StageImages
from genlab.pinn.indicators import SquaredGradient, SquaredResidual, WeightedSum
from genlab.pinn.learner import Collocation, GradientPINNLearner, PINNLearner
from genlab.pinn.least_squares import LeastSquares, Method, Step
from genlab.pinn.least_squares_learner import LeastSquaresPINNLearner
from genlab.pinn.levenberg_marquardt import LevenbergMarquardt
from genlab.pinn.network import Network
from genlab.pinn.residual_data import ResidualData
from genlab.pinn.ssbroyden import SSBroyden

__all__ = [
    "Collocation",
    "GradientPINNLearner",
    "LeastSquares",
    "LeastSquaresPINNLearner",
    "LevenbergMarquardt",
    "Method",
    "Network",
    "PINNLearner",
    "ResidualData",
    "SSBroyden",
    "SquaredGradient",
    "SquaredResidual",
    "StageImages",
    "Step",
    "WeightedSum",
]
