"""A density as a `torch.distributions.Distribution`, for code that takes any of these."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.constraints import Constraint

from genlab.densities.density import Density

__all__ = ["DensityDistribution", "distribution_of", "support_of"]

LINE = (-math.inf, math.inf)
TURN = (-math.pi, math.pi)


class DensityDistribution(Distribution):
    """``p(x | c)`` with one context c for each place of ``batch_shape``.

    A context vector ``[*batch, c]`` or labels ``[*batch]`` give the batch shape; a single vector
    or label, or none, an empty one. All of `torch.distributions` follows from `log_prob` and
    `sample`; what no formula is known for, such as `entropy`, raises ``NotImplementedError`` as it
    does there. Draws come from torch's global random numbers.

    >>> import genlab, torch
    >>> model = genlab.models.RealNVP(2, context_dim=3)
    >>> p = model.distribution(torch.randn(5, 3))
    >>> p.batch_shape, p.event_shape, p.log_prob(p.sample((7,))).shape
    (torch.Size([5]), torch.Size([2]), torch.Size([7, 5]))

    Args:
        density: The density.
        context: Vectors ``[*batch, c]`` or integer labels ``[*batch]``; None without one.
        validate_args: Whether `log_prob` refuses points outside the support; None for torch's
            default, which is yes.

    Raises:
        ValueError: The context does not fit the density.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(
        self,
        density: Density,
        context: Shaped[Tensor, "..."] | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.density = density
        self.context = context
        batch = torch.Size()
        if context is not None:
            row = self._row
            batch = context.shape[: context.ndim - len(row)]
            # The encoder tells what is wrong with it.
            density.context_encoder(context.reshape(-1, *row), batch.numel(), density.dtype)
        else:
            density.context_encoder(None, 1, density.dtype)
        super().__init__(batch, torch.Size(density.event_shape), validate_args=validate_args)

    @property
    def _row(self) -> torch.Size:
        """Shape of the context of one sample: a label is a single number."""
        assert self.context is not None
        vector = not self.density.context_encoder.labels and self.context.ndim > 0
        return self.context.shape[-1:] if vector else torch.Size()

    def _rows(self, shape: torch.Size) -> Shaped[Tensor, "..."] | None:
        """The context of each of so many samples, a row each."""
        if self.context is None:
            return None
        return self.context.expand(shape + self._row).reshape(-1, *self._row)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether samples are differentiable in the parameters and the context."""
        parts = self.density.modules()
        return all(part.reparametrised for part in parts if isinstance(part, Density))

    @property
    def support(self) -> Constraint:
        """The points at which the density may be above 0; see `support_of`."""
        return support_of(self.density)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Log-density in nats, ``[*sample, *batch]``, exact or not as the density says.

        Args:
            value: Points in data units, ``[*sample, *batch, *event]``, or what broadcasts to that.

        Raises:
            ValueError: A shape or the type does not fit, or, where arguments are validated, a point
                lies outside the support.
        """
        # The constraints of torch cannot be asked about no points.
        if self._validate_args and value.numel():
            self._validate_sample(value)
        event = self.event_shape
        given = value.shape[: value.ndim - len(event)]
        shape = torch.Size(torch.broadcast_shapes(given, self.batch_shape))
        x = value.expand(shape + event).reshape(-1, *event)
        return self.density.log_prob(x, self._rows(shape)).reshape(shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "..."]:
        """Draws without gradients, ``[*sample, *batch, *event]``."""
        shape = self._drawn_shape(sample_shape)
        x = self.density.sample(shape.numel(), self._rows(shape))
        return x.reshape(shape + self.event_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "..."]:
        """The same draws with gradients in the parameters and the context.

        Raises:
            NotImplementedError: The samples of this family have no such gradients.
        """
        shape = self._drawn_shape(sample_shape)
        x = self.density.rsample(shape.numel(), self._rows(shape))
        return x.reshape(shape + self.event_shape)

    def expand(
        self, batch_shape: Sequence[int], _instance: DensityDistribution | None = None
    ) -> DensityDistribution:
        """The same density for a larger batch, without a copy of its context."""
        shape = torch.Size(batch_shape)
        torch.empty(self.batch_shape).expand(shape)  # which tells where that is impossible
        new: DensityDistribution
        new = self._get_checked_instance(DensityDistribution, _instance)  # type: ignore[no-untyped-call]
        new.density, context = self.density, self.context
        new.context = None if context is None else context.expand(shape + self._row)
        Distribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __repr__(self) -> str:
        shapes = f"batch_shape={list(self.batch_shape)}, event_shape={list(self.event_shape)}"
        return f"DensityDistribution({type(self.density).__name__}, {shapes})"

    def _drawn_shape(self, sample_shape: Sequence[int]) -> torch.Size:
        return torch.Size(sample_shape) + self.batch_shape


def distribution_of(
    density: Density,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    validate_args: bool | None = None,
) -> DensityDistribution:
    """A `DensityDistribution`; where Pyro is imported, one that is Pyro's too.

    Args:
        density: The density.
        context: As in `DensityDistribution`.
        validate_args: As in `DensityDistribution`.
    """
    kind = _of_pyro() if "pyro.distributions" in sys.modules else DensityDistribution
    return kind(density, context, validate_args=validate_args)


@cache
def _of_pyro() -> type[DensityDistribution]:
    """`DensityDistribution` with what Pyro asks of one besides torch: `mask`, `to_event`, ..."""
    from pyro.distributions.torch_distribution import TorchDistributionMixin

    class PyroDistribution(DensityDistribution, TorchDistributionMixin):  # type: ignore[misc, override]
        pass

    return PyroDistribution


def support_of(density: Density) -> Constraint:
    """The set of points, in data units, where a density may be above 0.

    Angles lie in ``[-pi, pi]``, numbers behind a box in its interval, those behind a logit of
    images in ``[-a, 1 + a]`` with ``a = alpha / (1 - 2 alpha)``, black and white pixels in {0, 1},
    all others on the line. ``torch.distributions.biject_to`` knows the way there from the whole
    space.

    >>> import genlab, torch
    >>> support_of(genlab.models.NICE(2, circular="all")).check(torch.tensor([[3, 1], [4, 1]]))
    tensor([ True, False])

    Args:
        density: The density.
    """
    axes, angles = len(density.event_shape), density.circular
    if density.masses:
        return constraints.independent(constraints.boolean, axes)
    before = density.preprocessing
    low, high = (density.interval if before is None else before.interval) or LINE
    if len(angles) == math.prod(density.event_shape):
        low, high = TURN
    elif angles or _differ(low, high):
        return _of_each(density, low, high)
    return constraints.independent(_between(low, high), axes)


def _differ(low: Tensor | float, high: Tensor | float) -> bool:
    """Whether some coordinates end where others do not."""
    return any(isinstance(edge, Tensor) and bool(edge.isinf().any()) for edge in (low, high))


def _between(low: Tensor | float, high: Tensor | float) -> Constraint:
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return constraints.interval(low, high)
    if high == math.inf:
        return constraints.real if low == -math.inf else constraints.greater_than(low)
    return constraints.less_than(high) if low == -math.inf else constraints.interval(low, high)


def _of_each(density: Density, low: Tensor | float, high: Tensor | float) -> Constraint:
    """The constraint of numbers of several kinds."""
    shape = density.event_shape
    lows, highs = (torch.as_tensor(edge).expand(shape).flatten().tolist() for edge in (low, high))
    for place in density.circular:
        lows[place], highs[place] = TURN
    if len(shape) == 1:
        return constraints.stack([*map(_between, lows, highs)], -1)
    edges = (
        torch.tensor(edge, dtype=density.dtype, device=density.device).view(shape)
        for edge in (lows, highs)
    )
    return constraints.independent(constraints.interval(*edges), len(shape))
