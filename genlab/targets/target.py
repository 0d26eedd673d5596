"""The contract of what is learned: a distribution, known by its samples, its density, or both."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.constructor import Checked
from genlab.fields.statistics import Quantity

__all__ = ["Target"]


class Target(nn.Module, Checked):
    """A distribution ``p(x) = e^{-U(x)} / Z`` on ``R^d`` to learn from.

    A target is an ``nn.Module`` without parameters: its constants are buffers, so
    ``target.to(device)`` moves it and its computations follow. Quadrature nodes and mixture centres
    are kept in float64 and cast to the input's type on use: float64 in, float64 out.

    Subclasses implement what is known: `sample`, `log_prob`, and `energy` with `log_z` where the
    density is given up to a constant, or has to be learned from beyond its support.

    >>> import genlab
    >>> target = genlab.targets.Rings()
    >>> target.event_shape, round(target.entropy, 2) > 0
    ((2,), True)

    Attributes:
        event_shape: Shape of one sample, ``(d,)`` for a point in ``R^d``.
        context_dim: Length of the vector that a sample comes with, of which the law of the sample
            is a function; 0 where there is one law.
        entropy: Differential entropy in nats, or None where it is unknown; the mean over the
            contexts where samples come with one.
        entropy_se: Standard error of the entropy; 0 where that is exact.
        negentropy: What the Gaussian of the same mean and covariance has more of entropy, in nats;
            None where it is unknown, or 0.
        negentropy_se: Standard error of that; 0 where it is exact.
        quantity: What the numbers of a field are; None for what is no field.
        snapshots: Rows beside each other that are of one trajectory, and hang together.
        singular: Whether samples fill fewer dimensions than they have numbers, so that there is no
            density to be measured by.
        log_z: ``log Z``, the constant that `energy` lacks, or None where it is unknown.
        angles: Coordinates that are angles, from -pi to pi.
        bound: Half the side of the square ``[-bound, bound]^2`` that figures show.
        coordinates: Their names, or None where they have none.
        degrees: Whether files and figures have angles in degrees, not in radians as samples are.
        remarks: What a user should know before a model is trained on it.
    """

    event_shape: tuple[int, ...] = (2,)
    context_dim: int = 0
    entropy: float | None = None
    entropy_se: float = 0.0
    negentropy: float | None = None
    negentropy_se: float = 0.0
    quantity: Quantity | None = None
    snapshots: int = 1
    singular: bool = False
    log_z: float | None = 0.0
    angles: tuple[int, ...] = ()
    bound: float = 4.0
    coordinates: tuple[str, ...] | None = None
    degrees: bool = False
    remarks: tuple[str, ...] = ()

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n *event"]:
        """Draw ``n`` independent samples, float32, on the target's device.

        Args:
            n: Number of samples.
            generator: Source of randomness on the target's device; torch's global one if None.

        Raises:
            NotImplementedError: The target is known by its density only.
        """
        raise NotImplementedError(f"{type(self).__name__} is known by its density only")

    def draw(self, n: int, *, generator: torch.Generator | None = None) -> Batch:
        """`sample`, with the context that each sample comes with.

        Args:
            n: Number of samples.
            generator: Source of randomness on the target's device; torch's global one if None.
        """
        return Batch(self.sample(n, generator=generator))

    def draw_with_log_prob(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Batch, Float[Tensor, " n"]]:
        """`draw`, with the exact log-density of each sample given its context, float64.

        Overridden where a sample carries it, and where it depends on a context.

        >>> import genlab
        >>> batch, log_p = genlab.targets.Moons().draw_with_log_prob(5)
        >>> batch.x.shape, log_p.dtype
        (torch.Size([5, 2]), torch.float64)

        Args:
            n: Number of samples.
            generator: Source of randomness on the target's device; torch's global one if None.
        """
        batch = self.draw(n, generator=generator)
        return batch, self.log_prob(batch.x.double())

    def log_prob(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """Exact normalised log-density in nats; ``-inf`` outside the support.

        Raises:
            NotImplementedError: The target is known by its samples, or up to a constant, only.
        """
        known = "up to a constant" if self.has_energy else "by its samples"
        raise NotImplementedError(f"{type(self).__name__} is known {known} only")

    def energy(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """``U(x)`` in nats, whose gradient in ``x`` is what reverse KL learns from.

        Beyond the support it may be finite, a wall that leads back to it.
        """
        return -self.log_prob(x)

    def quadrature(self, most: int) -> tuple[Float[Tensor, "k *event"], Float[Tensor, " k"]] | None:
        """Nodes and weights of a rule for means over the target; None where it has none.

        Args:
            most: Nodes that there may be.
        """
        return None

    @property
    def reduction(self) -> Callable[[Tensor], Tensor] | None:
        """The map from fields to block means, flattened, where the context is these with noise."""
        return None

    @property
    def has_samples(self) -> bool:
        """Whether `sample` is implemented."""
        return type(self).sample is not Target.sample

    @property
    def has_density(self) -> bool:
        """Whether `log_prob` is implemented."""
        return type(self).log_prob is not Target.log_prob

    @property
    def has_energy(self) -> bool:
        """Whether `energy` is implemented."""
        return self.has_density or type(self).energy is not Target.energy
