"""The principle of each family, where no other is asked for."""

from __future__ import annotations

from typing import Any

from genlab.densities.density import Density
from genlab.objectives.elbo import ELBO
from genlab.objectives.em import EM
from genlab.objectives.maximum_likelihood import MaximumLikelihood, RegularisedLikelihood
from genlab.objectives.objective import Objective
from genlab.objectives.velocity_regression import VelocityRegression

__all__ = ["own_objective"]

# The first that is made for a family: after those for few families those for more.
OWN: tuple[type[Objective[Any]], ...] = (
    EM,
    ELBO,
    VelocityRegression,
    RegularisedLikelihood,
    MaximumLikelihood,
)


def own_objective(model: Density) -> Objective[Any]:
    """The principle that a model's family learns by: the one that its option in YAML names.

    >>> import genlab
    >>> type(own_objective(genlab.models.GMM(2))).__name__
    'EM'
    """
    return next(objective() for objective in OWN if isinstance(model, objective.teaches))
