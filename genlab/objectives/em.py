"""Learning a Gaussian mixture: by EM, or by gradient descent from where EM would begin."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import private_randomness, spawn
from genlab.models.gmm import GMM
from genlab.objectives.maximum_likelihood import MaximumLikelihood
from genlab.objectives.mixture_fit import MixtureFit

__all__ = ["EM", "MixtureDescent"]


class MixtureDescent(MaximumLikelihood[GMM]):
    """Maximum likelihood by gradients, from a start that EM chooses on the first rows.

    With a context vector it is the conditional likelihood ``p(x | c)`` that is maximised.

    References: Gepperth, Pfuelb, "Gradient-based training of Gaussian mixture models for
    high-dimensional streaming data", 2021, arXiv:1912.09379 (there from a random start).

    >>> MixtureDescent().learns_from
    'batches'

    Attributes:
        joint: Whether what is maximised is the density of a context vector too.
    """

    joint: ClassVar[bool] = False
    signed: ClassVar[bool] = False
    stackable: ClassVar[bool] = False
    teaches = GMM

    def adopt(self, model: Density) -> None:
        super().adopt(model)
        assert isinstance(model, GMM)
        model.joint = self.joint

    def compiles(self, model: Density) -> bool:
        return self.learns_from == "batches"

    def start(self, model: GMM, rows: Batch, *, generator: torch.Generator | None = None) -> None:
        if generator is None:
            MixtureFit(model).start(rows)
        else:
            with private_randomness(model.device, spawn(generator).initial_seed()):
                MixtureFit(model).start(rows)


class EM(MixtureDescent):
    """Expectation and maximisation: a step is a pass over the data, and the M-step at its end.

    Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977,
    doi:10.1111/j.2517-6161.1977.tb01600.x. With a context vector it is the joint density
    ``p(c, x)`` that is maximised, and the loss of a pass is that of the parameters that it began
    with. It ends by itself when it has converged.

    >>> EM().learns_from
    'passes'
    """

    learns_from: ClassVar[Literal["batches", "passes", "energy"]] = "passes"
    by_gradients = "MixtureDescent"
    joint = True

    def passes(self, model: GMM) -> MixtureFit:
        return MixtureFit(model)
