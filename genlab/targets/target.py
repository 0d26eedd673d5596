"""The contract of what is learned: a distribution, known by its samples, its density, or both."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.constructor import Checked

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
        entropy: Differential entropy in nats, or None where it is unknown.
        log_z: ``log Z``, the constant that `energy` lacks, or None where it is unknown.
        angles: Coordinates that are angles, from -pi to pi.
        bound: Half the side of the square ``[-bound, bound]^2`` that figures show.
        coordinates: Their names, or None where they have none.
        degrees: Whether files and figures have angles in degrees, not in radians as samples are.
    """

    event_shape: tuple[int, ...] = (2,)
    entropy: float | None = None
    log_z: float | None = 0.0
    angles: tuple[int, ...] = ()
    bound: float = 4.0
    coordinates: tuple[str, ...] | None = None
    degrees: bool = False

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
