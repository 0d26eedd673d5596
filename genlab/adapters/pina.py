"""Samplers in PINA's training loop (the extra ``pina``).

PINA: Coscia, Ivagnes, Demo, Rozza, "Physics-Informed Neural networks for Advanced modeling" (2023,
doi:10.21105/joss.05352).
"""

from __future__ import annotations

from typing import Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.adapters.point_schedule import PointSchedule, ScheduleOptions
from genlab.batch import rowwise
from genlab.errors import UserError
from genlab.pde.domain import Box
from genlab.samplers import Sampler

try:
    from pina import LabelTensor
    from pina.callback import BaseRefinement
    from pina.domain import CartesianDomain
    from pina.equation import BaseEquation
except ModuleNotFoundError as error:
    raise UserError("pina: not installed; pip install 'genlab[pina]'") from error

__all__ = ["AdaptiveRefinement", "domain_of"]


def domain_of(domain: Any) -> Box:
    """The box of a Cartesian domain, its variables in alphabetical order, as PINA samples them.

    >>> domain_of(CartesianDomain({"y": [0, 2], "x": [0, 1]})).box
    ((0.0, 1.0), (0.0, 2.0))

    Args:
        domain: A ``pina.domain.CartesianDomain`` that fixes no variable.

    Raises:
        UserError: It is another one.
    """
    if not isinstance(domain, CartesianDomain) or domain.fixed:
        fixed = f" with fixed {', '.join(domain.fixed)}" if hasattr(domain, "fixed") else ""
        raise UserError(
            f"domain: {type(domain).__name__}{fixed} has no box; expected a CartesianDomain of "
            "intervals: hand a `genlab.pde.Domain` to the sampler"
        )
    return Box([domain.range[name] for name in sorted(domain.range)])


class AdaptiveRefinement(BaseRefinement):  # type: ignore[misc]
    """A refinement whose points a sampler chooses, and which every step is taken on.

    Each residual counts by ``(|Omega| q)^{-1/2}``; see `PointSchedule` (arXiv:2112.14038). The
    points are put into each batch as it comes, whatever tensor the loader holds, so that a batch
    has all of the sampler's points.

    >>> import genlab
    >>> box = domain_of(CartesianDomain({"x": [-1, 1]}))
    >>> das = genlab.samplers.DAS(domain=box, n_points=50, model=genlab.models.GMM(1))
    >>> AdaptiveRefinement(das, condition="pde", refresh=200).sample_every
    200

    Args:
        sampler: Chooses the points; `domain_of` is the domain of a Cartesian one.
        condition: Name of the condition whose points they are.
        **schedule: Options of `PointSchedule`, in epochs: steps, unless a batch size is set.

    Attributes:
        schedule: The sampler's points, and what each counts.
        input: The points as steps see them.
        within_step: Whether a step is under way, whose residuals are weighed.

    Raises:
        UserError: The sampler's domain has another number of coordinates.
    """

    def __init__(
        self, sampler: Sampler, *, condition: str, **schedule: Unpack[ScheduleOptions]
    ) -> None:
        points = PointSchedule(sampler, **schedule)
        super().__init__(sample_every=points.refresh, condition_to_update=condition)
        self.schedule = points
        self.condition = condition
        self.input: Any = None
        self.within_step = False

    def on_train_start(self, trainer: Any, solver: Any) -> None:
        """Take the condition's equation, and the first points."""
        super().on_train_start(trainer, solver)
        condition = solver.problem.conditions[self.condition]
        self._labels = sorted(condition.data.input.labels)
        if len(self._labels) != self.schedule.sampler.domain.dim:
            raise UserError(
                f"sampler: its domain has dim {self.schedule.sampler.domain.dim}, expected "
                f"{len(self._labels)}, of {', '.join(self._labels)}"
            )
        equation = condition.equation
        # Left by a training before this one.
        equation = equation.equation if isinstance(equation, _Weighted) else equation
        condition.equation = _Weighted(equation, self)
        self.within_step = False
        self.schedule.begin(lambda x: self._indicator(x, solver))
        self._place(solver)

    def on_train_batch_start(self, trainer: Any, solver: Any, batch: Any, index: int) -> None:
        """Put the points into the batch."""
        for name, data in batch:
            if name == self.condition:
                data["input"] = self.input
        self.within_step = True

    def on_train_batch_end(
        self, trainer: Any, solver: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Residuals count the same again: those of the sampler, of validation, of the user."""
        self.within_step = False

    def on_train_epoch_end(self, trainer: Any, solver: Any) -> None:
        """Count an epoch, and place other points when it is time."""
        if self.schedule.step(lambda x: self._indicator(x, solver)):
            self._place(solver)

    def sample(self, current_points: Any, condition_name: str, solver: Any) -> Any:
        """The points as a tensor with labels, on the solver's device."""
        return self._labelled(self.schedule.begin(lambda x: self._indicator(x, solver)), solver)

    def _place(self, solver: Any) -> None:
        condition = solver.problem.conditions[self.condition]
        self.input = self.sample(self.input, self.condition, solver)
        self.weights = self.schedule.weights.to(self.input.device)
        condition.data.input = self.input

    def _labelled(self, x: Float[Tensor, "n d"], solver: Any) -> Any:
        return LabelTensor(x.to(solver.device, torch.get_default_dtype()), self._labels)

    def _indicator(self, x: Float[Tensor, "n d"], solver: Any) -> Float[Tensor, " n"]:
        """The sum of the squared residuals of all equations."""
        condition = solver.problem.conditions[self.condition]
        residual = condition.evaluate({"input": self._labelled(x, solver)}, solver)
        found: Tensor = residual.detach().as_subclass(Tensor).double()
        return found.square().flatten(1).sum(1)


class _Weighted(BaseEquation):  # type: ignore[misc]
    """An equation whose residual is weighed within a step, where its points are the sampler's."""

    def __init__(self, equation: Any, refinement: AdaptiveRefinement) -> None:
        self.equation = equation
        self.refinement = refinement

    def residual(self, input_: Any, output_: Any, params_: Any = None) -> Any:
        residual = self.equation.residual(input_, output_, params_)
        if not self.refinement.within_step:
            return residual
        return residual * rowwise(self.refinement.weights, residual)
