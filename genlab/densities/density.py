"""The contract of every model: a (conditional) density that can be evaluated and sampled."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution

from genlab.batch import Batch
from genlab.bijections.bijection import Bijection
from genlab.bijections.wrapping import Wrap
from genlab.constructor import Checked
from genlab.densities.event import Circular, EventShape, Names, angles_of, shape_of
from genlab.errors import UserError
from genlab.nn.constants import Constants
from genlab.nn.context import Context, ContextEncoder
from genlab.nn.outline import Outlined
from genlab.nn.precision import full_precision
from genlab.randomness import scrambled_sobol

__all__ = ["Circular", "Density", "EventShape", "Likelihood", "angles_of", "shape_of"]

Likelihood = Literal["exact", "lower_bound", "estimate"]


class Density(Outlined, Constants, Checked, ABC):
    """A density ``p(x | c)`` on arrays of shape ``event_shape``, in data units.

    Subclasses implement `_log_prob` and `_sample`. The public `log_prob`, `sample` and `rsample`
    enforce the shape contract once, broadcast a single context row, and encode labels. Under
    ``torch.autocast`` they compute in the type of ``x``, the density's own, and only networks
    follow it. What a `_sample` draws of another density it draws by `rsample`, so that gradients
    reach that one too: `sample` hides them all in the end.

    References: arXiv:1912.02762.

    >>> import genlab
    >>> density = genlab.densities.StandardNormal((2,))
    >>> density.log_prob(density.sample(5)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample; a number for vectors of that length.
        circular: Coordinates that are angles, in radians and known up to full turns. The density
            is one over ``[-pi, pi)`` in each of them.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: ``circular`` names no coordinate, or one twice.

    Attributes:
        likelihood: What `log_prob` returns: the exact value, a lower bound, or an estimate.
        reparametrised: Whether samples are differentiable in the parameters, by `rsample` and
            `sample_with_log_prob`, as learning by reverse KL needs.
        preprocessing: Bijection from data units to the units that the density works in, or None;
            its Jacobian is counted, so `log_prob` stays in data units.
        knows_angles: Whether the family has a density of angles.
        door: What takes angles to one turn, before all preprocessing, or None without angles.
        masses: Whether it gives masses of data in {0, 1}, not densities.
        interval: What each number of a sample lies between, in the units that the density itself
            works in, low and high; None for the whole line.
        stackable: Whether `log_prob` is the same operations whatever the numbers are, none random,
            so that many models can be evaluated by one pass.
        names: What its coordinates are called, where it was fitted to a frame.
        clusters: Whether it has parts whose places a search over rows chooses, before gradients.
        test_samples: Log-densities that a number or a figure of an evaluation may cost: fewer
            where each is slow.
        figures: What is drawn of it, by the names that `genlab.evaluation.figures` knows; each is
            left out where the data do not allow it.
    """

    likelihood: Likelihood = "exact"
    reparametrised: ClassVar[bool] = False
    stackable: ClassVar[bool] = False
    clusters: ClassVar[bool] = False
    knows_angles: ClassVar[bool] = False
    masses: bool = False
    interval: tuple[float, float] | None = None
    names: Names = Names()
    test_samples: int = 100_000
    figures: ClassVar[tuple[str, ...]] = ("density", "samples", "calibration", "super_resolution")

    def __init__(
        self,
        event_shape: EventShape,
        *,
        circular: Circular = (),
        context_dim: int = 0,
        labels: int = 0,
    ) -> None:
        super().__init__()
        self.event_shape = shape_of(event_shape)
        self.circular = angles_of(circular, self.event_shape)
        self.door = Wrap(self.event_shape, self.circular) if self.circular else None
        self.context_encoder = ContextEncoder(context_dim, labels)
        self.preprocessing: Bijection | None = None

    @abstractmethod
    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        """Log-density of preprocessed ``x`` given an encoded context of as many rows."""

    @abstractmethod
    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        """``n`` samples, in preprocessed units, given an encoded context of as many rows."""

    def _sample_with_log_prob(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """``n`` preprocessed samples and their log-densities; overridden where one pass does."""
        x = self._sample(n, context, generator)
        return x, self._log_prob(x, context)

    @full_precision
    def log_prob(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> Float[Tensor, " n"]:
        """Log-density in nats, in the type of ``x``, which must be the model's.

        Args:
            x: Points in data units, ``[n, *event]``.
            context: One row (broadcast) or n rows: vectors ``[n, c]`` or integer labels ``[n]``.

        Raises:
            ValueError: The shape or type of ``x`` or ``context`` does not fit the density.
        """
        inner, rows, log_det = self.prepare(x, context)
        return (self._log_prob(inner, rows) + log_det).to(x.dtype)

    def prepare(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None
    ) -> tuple[Float[Tensor, "n *event"], Context, Float[Tensor, "..."]]:
        """The start of an objective: points and context in the units of the density itself.

        Args:
            x: Points in data units, ``[n, *event]``.
            context: One row or n rows, as in `log_prob`.

        Returns:
            Preprocessed points, their encoded context, and the preprocessing's log-determinant.

        Raises:
            ValueError: The shape or type of ``x`` or ``context`` does not fit the density.
        """
        if x.shape[1:] != self.event_shape:
            event = ", ".join(map(str, self.event_shape))
            raise ValueError(f"x: expected shape [n, {event}], got {list(x.shape)}")
        if x.dtype != self.dtype:
            raise ValueError(
                f"x: expected {self.dtype}, the model's type, got {x.dtype}; "
                "call model.double() or x.float()"
            )
        rows = self.context_encoder(context, len(x), x.dtype)
        if self.door is not None:
            x = self.door.encode(x)
        if self.preprocessing is None:
            return x, rows, x.new_zeros(())
        x, log_det = self.preprocessing(x, rows)
        return x, rows, log_det

    @full_precision
    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Shaped[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n *event"]:
        """Draw ``n`` samples in data units, in the type and on the device of the density.

        They are without gradients, data like any other: `rsample` makes the same draws with them.

        Args:
            n: Number of samples.
            context: One row (broadcast) or n rows: vectors ``[n, c]`` or integer labels ``[n]``.
            generator: Source of randomness; torch's global one if None.

        Raises:
            ValueError: The shape of ``context`` does not fit the density.
        """
        return self._drawn(n, context, generator)

    @full_precision
    def rsample(
        self,
        n: int,
        context: Shaped[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n *event"]:
        """`sample`, with gradients in the parameters and the context: ``x = g(noise; theta, c)``.

        The gradient of a mean over them estimates that of ``E[f(x)]`` without bias (Kingma,
        Welling, "Auto-encoding variational Bayes", 2014, section 2.4, arXiv:1312.6114).

        >>> import genlab
        >>> model = genlab.models.RealNVP(2)
        >>> model.rsample(5).requires_grad, model.sample(5).requires_grad
        (True, False)

        Args:
            n: Number of samples.
            context: One row (broadcast) or n rows: vectors ``[n, c]`` or integer labels ``[n]``.
            generator: Source of randomness; torch's global one if None.

        Raises:
            NotImplementedError: The samples of this family have no such gradients.
            ValueError: The shape of ``context`` does not fit the density.
        """
        if not self.reparametrised:
            raise NotImplementedError(
                f"{type(self).__name__} has no rsample: its samples are not differentiable in its "
                "parameters\nuse sample, and for the gradient of E[f(x)] that of the mean of "
                "f(x) * log_prob(x); or a flow, such as RealNVP"
            )
        return self._drawn(n, context, generator)

    def distribution(
        self, context: Shaped[Tensor, "..."] | None = None, *, validate_args: bool | None = None
    ) -> Distribution:
        """The density as a distribution of torch, and of Pyro where that is imported.

        >>> import genlab
        >>> p = genlab.models.NSF(2).distribution()
        >>> p.log_prob(p.sample((4, 5))).shape
        torch.Size([4, 5])

        Args:
            context: Vectors ``[*batch, c]`` or integer labels ``[*batch]``.
            validate_args: Whether points outside the support are refused; None for torch's default.

        Raises:
            ValueError: The context does not fit the density.
        """
        from genlab.densities.distribution import distribution_of

        return distribution_of(self, context, validate_args=validate_args)

    @property
    def noise(self) -> int | None:
        """Uniform numbers that a sample is made of by `_from_uniform`; None where it is not."""
        return None

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        """Samples, in preprocessed units, from independent numbers that are uniform on (0, 1)."""
        raise NotImplementedError

    @full_precision
    @torch.no_grad()
    def sample_evenly(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n *event"]:
        """`sample`, with fewer gaps and clusters: the mean of a smooth function over them is closer
        to its expectation, though each of them follows the density alike.

        Their noise is a scrambled Sobol sequence (Owen, "Scrambled net variance for integrals of
        smooth functions", 1997, doi:10.1214/aos/1031594731).

        >>> import genlab
        >>> x = genlab.densities.StandardNormal((2,)).sample_evenly(1024)
        >>> (x > 0).sum(0)
        tensor([512, 512])

        Args:
            n: Number of samples.
            generator: Source of randomness, on the CPU; torch's global one if None.

        Raises:
            NotImplementedError: The family makes no samples of uniform numbers.
        """
        if self.noise is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no sample_evenly: its samples are not made of a fixed "
                "number of uniform ones\nuse sample"
            )
        sequence = scrambled_sobol(self.noise, generator=generator)
        # It draws 30 bits of each number, among which is 0: the middles of their slices.
        u = sequence.draw(n, dtype=torch.float64) + 2.0**-31
        return self._in_data_units(self._from_uniform(u.to(self.device)), None)

    def _drawn(
        self, n: int, context: Shaped[Tensor, "..."] | None, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        rows = self.context_encoder(context, n, self.dtype)
        return self._in_data_units(self._sample(n, rows, generator), rows)

    def _in_data_units(
        self, x: Float[Tensor, "n *event"], context: Context
    ) -> Float[Tensor, "n *event"]:
        if self.preprocessing is not None:
            x = self.preprocessing.generate(x, context)
        return x if self.door is None else self.door.generate(x)

    @full_precision
    def sample_with_log_prob(
        self,
        n: int,
        context: Shaped[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """Draw ``n`` samples, with their log-densities in nats; both in data units.

        They come with the gradients that the family's operations have.

        A log-density is that of the sample before it was rounded to its type, as a weight needs it.
        At the edge of a box, where a density may change much from one number to the next,
        `log_prob` of what was rounded differs.

        Args:
            n: Number of samples.
            context: One row (broadcast) or n rows: vectors ``[n, c]`` or integer labels ``[n]``.
            generator: Source of randomness; torch's global one if None.

        Raises:
            ValueError: The shape of ``context`` does not fit the density.
        """
        rows = self.context_encoder(context, n, self.dtype)
        x, log_p = self._sample_with_log_prob(n, rows, generator)
        if self.preprocessing is not None:
            x, log_det = self.preprocessing.inverse(x, rows)
            log_p = log_p - log_det
        return x if self.door is None else self.door.generate(x), log_p.to(x.dtype)

    @full_precision
    @torch.no_grad()
    def initialise(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> None:
        """Set what starts from data: units of data and context, actnorm layers, cluster centres.

        Args:
            x: A first batch of training samples.
            context: Their context, as in `log_prob`.

        Raises:
            UserError: There are no rows, or some that are no numbers, or no angles in radians.
        """
        Batch(x).refuse_unusable()
        if self.door is not None:
            self._refuse_no_angles(x)
            x = self.door.encode(x)
        self.context_encoder.initialise(context)
        rows = self.context_encoder(context, len(x), x.dtype)
        if self.preprocessing is not None:
            x = self.preprocessing.initialise(x, rows)
        self._initialise(x, rows)

    def _refuse_no_angles(self, x: Float[Tensor, "n *event"]) -> None:
        farthest = x.flatten(1).abs().amax(0)
        for i in self.circular:
            # Degrees, most likely, whose turns would be folded over each other.
            if farthest[i] > 1.000001 * 2 * math.pi:
                raise UserError(
                    f"circular={list(self.circular)}: expected angles in radians, of one turn, but "
                    f"coordinate {i} of the data reaches {farthest[i]:.3g} in size"
                )

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        """Set what starts from preprocessed data; nothing by default."""

    def diagnostics(self) -> dict[str, float]:
        """Numbers of the model that logs show besides its loss, by tag; none by default."""
        return {}

    def metrics(
        self,
        test: Batch | None = None,
        training: Batch | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Mapping[str, float | Float[Tensor, " n"]]:
        """Numbers that only this family has, by tag; none by default.

        An evaluation asks for them under `genlab.densities.inference.inference`.

        Args:
            test: Held-out samples with their context and weight, or else true ones, or None.
            training: The training set, or None where it has no end.
            generator: Source of randomness, on any device; a fixed seed if None.

        Returns:
            For each tag one number, or a value for each row of ``test``, of which an evaluation
            takes the weighted mean and its standard error.
        """
        return {}

    def extra_repr(self) -> str:
        shape = self.event_shape
        encoder = self.context_encoder
        parts = [
            str(shape[0] if len(shape) == 1 else list(shape)),
            *([f"context_dim={encoder.context_dim}"] if encoder.context_dim else []),
            *([f"labels={encoder.labels}"] if encoder.labels else []),
            *([f"circular={list(self.circular)}"] if self.circular else []),
        ]
        return ", ".join(parts)

    @property
    def image(self) -> bool:
        """Whether a sample is an image, of channels, height and width."""
        return len(self.event_shape) == 3

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the parameters and buffers."""
        return self._reference.dtype

    @property
    def device(self) -> torch.device:
        """Device of the parameters and buffers."""
        return self._reference.device

    @property
    def _reference(self) -> Tensor:
        parameter = next(self.parameters(), None)
        if parameter is not None:
            return parameter
        return next((b for b in self.buffers() if b.is_floating_point()), torch.empty(0))
