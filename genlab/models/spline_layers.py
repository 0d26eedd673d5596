"""The layers that spline flows consist of, for angles and other coordinates alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from genlab.bijections.autoregressive import Autoregressive, Elementwise
from genlab.bijections.bijection import Bijection
from genlab.bijections.coupling import Coupling, HalfFreeCoupling, HalfSplit
from genlab.bijections.scalar_map import Mixed, ScalarMap
from genlab.bijections.spline import CircularSpline, RationalQuadratic
from genlab.bounds import Positive, PositiveInt
from genlab.models.couplings import Conditioner, conditioner
from genlab.nn.angles import AngleFeatures, periodic
from genlab.nn.masked_mlp import MaskedMLP
from genlab.nn.mlp import MLP, Activation, NetworkOptions

__all__ = ["SplineLayers", "SplineOptions"]


class SplineOptions(TypedDict, total=False):
    """Options of a spline flow that go to `SplineLayers`, where their defaults stand."""

    bins: PositiveInt
    bound: Positive
    hidden: Sequence[PositiveInt]
    activation: Activation


@dataclass(frozen=True, kw_only=True)
class SplineLayers:
    """Makes layers of rational-quadratic splines that start as the identity.

    Attributes:
        is_circular: Whether each coordinate is an angle, whose spline is one of the circle.
        context_dim: Width of the context that each network sees; 0 for none.
        bins: Number of bins of each spline.
        bound: Half the length of the interval that the splines of other coordinates act on.
        hidden: Widths of the hidden layers of each network.
        activation: Nonlinearity of the networks.
    """

    is_circular: tuple[bool, ...]
    context_dim: int
    bins: int = 16
    bound: float = 4.0
    hidden: Sequence[int] = (64, 64)
    activation: Activation = "relu"

    def couplings(
        self, layers: int, *, free_half: bool, network: Conditioner | None = None
    ) -> Sequence[Bijection]:
        """Couplings that map the second half of a vector, the first, the second, ...

        Args:
            layers: How many.
            free_half: Let each map the other half too, by splines of trainable constants.
            network: Makes their networks; None for `MLP`.
        """
        if self.dim == 1:
            return [self.elementwise() for _ in range(layers)]
        network = network or conditioner(
            (self.dim,), "mlp", is_circular=self.is_circular, **self.networks
        )
        make = self.half_free if free_half else self.coupling
        return [make(network, flip=index % 2 == 1) for index in range(layers)]

    def autoregressives(self, layers: int) -> Sequence[Bijection]:
        """Autoregressive layers, in one order of the coordinates, the other, the one, ..."""
        if self.dim == 1:
            return [self.elementwise() for _ in range(layers)]
        return [self.autoregressive(flip=index % 2 == 1) for index in range(layers)]

    def elementwise(self) -> Elementwise:
        """A spline of each coordinate, of trainable constants or of the context."""
        splines = self._splines(self.is_circular)
        if not self.context_dim:
            return Elementwise(splines, self.dim)
        layers: NetworkOptions = {**self.networks, "context_dim": 0}
        network = MLP(self.context_dim, splines.n_parameters * self.dim, **layers)
        return Elementwise(splines, self.dim, network)

    def coupling(self, network: Conditioner, *, flip: bool) -> Coupling:
        """One half passes, the other is mapped by splines that a network of the first gives."""
        split = HalfSplit(self.dim, flip=flip)
        splines = self._splines(self.is_circular[split.columns[split.places[1]]])
        return Coupling(split, splines, network(split, splines.n_parameters))

    def half_free(self, network: Conditioner, *, flip: bool) -> HalfFreeCoupling:
        """The same, where the first half is mapped too, by splines of trainable constants."""
        split, splines = HalfSplit(self.dim, flip=flip), self._splines(self.is_circular)
        return HalfFreeCoupling(split, splines, network(split, splines.n_parameters))

    def autoregressive(self, *, flip: bool) -> Autoregressive:
        """Each coordinate is mapped by a spline that depends on those before it, or after it."""
        splines = self._splines(self.is_circular)
        order = range(self.dim)[:: -1 if flip else 1]
        degrees = [1 + order.index(i) for i in range(self.dim)]
        sources = AngleFeatures(self.is_circular).sources
        network = periodic(
            self.is_circular,
            lambda _: MaskedMLP(
                [degrees[source] for source in sources],
                degrees,
                repeats=splines.n_parameters,
                **self.networks,
            ),
        )
        return Autoregressive(splines, network, order)

    @property
    def dim(self) -> int:
        return len(self.is_circular)

    @property
    def networks(self) -> NetworkOptions:
        """The layers of each network, which starts from the zero function."""
        return {
            "hidden": self.hidden,
            "activation": self.activation,
            "context_dim": self.context_dim,
            "zero_last": True,
        }

    def line(self) -> RationalQuadratic:
        """The spline of coordinates that are no angles."""
        return RationalQuadratic(bins=self.bins, bound=self.bound)

    def _splines(self, is_circular: Sequence[bool]) -> ScalarMap:
        if not any(is_circular):
            return self.line()
        circular = CircularSpline(bins=self.bins)
        if all(is_circular):
            return circular
        return Mixed(self.line(), circular, is_circular)
