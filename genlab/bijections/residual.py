"""Residual blocks: the identity plus a contraction."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.elementwise_affine import ActNorm
from genlab.bijections.fixed_point import FixedPointMethod, solve
from genlab.bijections.log_det import (
    LogDet,
    SeriesGradient,
    exact_log_det,
    roulette_lengths,
    series_log_det,
)
from genlab.nn.context import Context
from genlab.nn.linearisation import Linearisation
from genlab.nn.lipschitz_network import LipschitzFunctions, LipschitzNetwork
from genlab.nn.plain import Plain
from genlab.nn.uncompiled import uncompiled

__all__ = ["ResidualBlocks", "ResidualOptions"]

AT_ONCE = 4
"""Coordinates up to which the Jacobians of all blocks are worked out together."""


class ResidualOptions(NamedTuple):
    """Options of residual blocks: how they compute what has no closed form.

    References: arXiv:1906.02735.

    >>> import genlab
    >>> options = genlab.bijections.ResidualOptions("exact", 2, 20, "neumann", "anderson", 1e-10)
    >>> options.log_det
    'exact'

    Attributes:
        log_det: The exact determinant, a truncated power series, or the unbiased estimate of it by
            Russian roulette.
        terms: Terms of the series in training: all of them, or those before the roulette starts.
        evaluation_terms: The same in evaluation.
        gradient: Gradient of the series: ``neumann`` in constant memory, ``direct`` through it.
        solver: The fixed-point method of the inverse.
        tolerance: Largest error of a block's inverse, relative to ``1 + |z|``; never finer than the
            number type resolves.
    """

    log_det: LogDet
    terms: int
    evaluation_terms: int
    gradient: SeriesGradient
    solver: FixedPointMethod
    tolerance: float


class ResidualBlocks(Bijection):
    """Blocks ``x <- x + g_b(x; c)`` with ``Lip(g_b) < 1``, one after another.

    (Behrmann et al., "Invertible residual networks", 2019; Chen et al., "Residual flows for
    invertible generative modeling", 2019.) The Jacobians of all blocks are kept in their factors,
    and their log-determinants computed together at the end.

    The inverse is the fixed point of ``x <- z - g(x)``; its gradient is that of the implicit
    function, ``dx = (I + J)^{-1} (dz - dg)``, whatever the solver did. It always goes by converged
    norms; `forward` does so in evaluation, and in training by norms that may lag a step behind.

    No autocast rounds its network: a rounded one is no contraction, and has no inverse.

    An estimated log-determinant draws its probes from torch's global generator in training. In
    evaluation it draws them from a generator that the samples themselves seed: the same samples
    give the same numbers, and other batches other probes.

    References: arXiv:1811.00995, arXiv:1906.02735.

    >>> import genlab, torch
    >>> (blocks,) = genlab.models.ResFlow(2, layers=3).layers
    >>> z, log_det = blocks(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        network: The contractions ``g_b``, a stack.
        options: How log-determinant and inverse are computed.
        actnorm: Put a data-initialised scale and shift before each block and behind the last.
    """

    def __init__(
        self, network: LipschitzNetwork, options: ResidualOptions, *, actnorm: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.options = options
        dim = network.event_shape[0]
        self.norms = nn.ModuleList(ActNorm(dim) for _ in range(network.stack + 1) if actnorm)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return self.through(self.network.at(context), self.all, x)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        functions = self.network.at(context, certain=True)
        x = self.back(functions, self.all, z)
        return x, -self.through(functions, self.all, x)[1]

    def generate(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        return self.back(self.network.at(context, certain=True), self.all, z)

    def initialise(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        for index, g in enumerate(self.network.at(context).each):
            for norm in self._norms(index):
                x = norm.initialise(x)
            x = x + g(x)
        for norm in self._norms(-1):
            x = norm.initialise(x)
        return x

    def steps(self) -> list[Bijection]:
        return [Block(self, index) for index in range(self.network.stack)]

    @property
    def all(self) -> range:
        """The numbers of all blocks."""
        return range(self.network.stack)

    def through(
        self, functions: LipschitzFunctions, blocks: range, x: Float[Tensor, "n *event"]
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        """Data to latent through some consecutive blocks, with the log-determinant."""
        start, slopes, log_dets = x, [], []
        for index in blocks:
            for norm in self._norms(index):
                x, log_det = norm(x)
                log_dets.append(log_det)
            g_x, own = functions.each[index].linearise(x)  # g(x), and what its Jacobian is made of
            x = x + g_x
            slopes.append(own)
        for norm in self._norms_behind(blocks):
            x, log_det = norm(x)
            log_dets.append(log_det)
        jacobians = functions.jacobians(slopes, blocks.start)
        return x, sum(log_dets, self._log_det(jacobians, start).sum(0))

    def back(
        self, functions: LipschitzFunctions, blocks: range, z: Float[Tensor, "n *event"]
    ) -> Float[Tensor, "n *event"]:
        """Latent to data through some consecutive blocks."""
        bounds = self._bounds()
        for norm in self._norms_behind(blocks):
            z = norm.generate(z)
        for index in reversed(blocks):
            z = self._solved(functions, index, bounds[index], z)
            for norm in self._norms(index):
                z = norm.generate(z)
        return z

    def _bounds(self) -> list[float]:
        """A bound on the Lipschitz constant of each block, for certain."""
        bounds: list[float] = self.network.lipschitz(certain=True).tolist()
        return bounds

    def _solved(
        self, functions: LipschitzFunctions, index: int, bound: float, z: Tensor
    ) -> Float[Tensor, "n *event"]:
        """The ``x`` with ``x + g(x) = z``."""
        tolerance, solver = self.options.tolerance, self.options.solver
        g = functions.each[index]
        x = solve(
            lambda x, rows: g.rows(rows)(x),
            z,
            lipschitz=bound,
            tolerance=tolerance,
            solver=solver,
        )
        if not torch.is_grad_enabled():
            return x
        g_x, slopes = g.linearise(x)
        jacobian = functions.jacobians([slopes], index).detach()
        # One more step, whose gradient (dz - dg) is led through (I + J)^{-1} on its way back.
        x = z - g_x
        if x.requires_grad:

            def implicit(gradient: Tensor) -> Tensor:
                # Per unit of length: the tolerance is relative to 1, and a mean's gradients are
                # the smaller the more samples it has.
                dims = tuple(range(1, gradient.ndim))
                length: Tensor = torch.linalg.vector_norm(gradient, dim=dims, keepdim=True)
                length = length.clamp_min(torch.finfo(length.dtype).tiny)
                solved: Tensor = solve(
                    lambda u, rows: jacobian.rows(rows[None]).vjp(u[None])[0],
                    gradient / length,
                    lipschitz=bound,
                    tolerance=tolerance,
                    solver=solver,
                )
                return length * solved

            x.register_hook(implicit)
        return x

    def _log_det(
        self, jacobians: Linearisation, x: Float[Tensor, "n *event"]
    ) -> Float[Tensor, "stack n"]:
        if self.options.log_det != "exact":
            estimate: Tensor = self._estimate(jacobians, x)
            return estimate
        # All at once where that is quick; one at a time where Jacobians fill the memory.
        size = self.network.stack if x.shape[1:].numel() <= AT_ONCE else 1
        return torch.cat([exact_log_det(part.jacobian()) for part in jacobians.split(size)])

    # Its lengths differ from step to step: a compiler would start again at each.
    @uncompiled
    def _estimate(
        self, jacobians: Linearisation, x: Float[Tensor, "n *event"]
    ) -> Float[Tensor, "stack n"]:
        options, stack = self.options, len(jacobians.weights[0])
        terms = options.terms if self.training else options.evaluation_terms

        def draw(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            generator = None if self.training else _seeded_by(x)
            if options.log_det == "russian_roulette":
                lengths = roulette_lengths(len(x), terms, generator)
            else:
                lengths = torch.full((len(x),), terms)
            signs = torch.randint(0, 2, (stack, *x.shape), generator=generator)
            order = torch.rand((stack, len(x)), generator=generator).argsort(1)
            return signs.to(x).mul_(2).sub_(1), lengths, order.to(x.device)

        probe, lengths, order = _Draws.apply(draw, x.detach())  # type: ignore[no-untyped-call]
        return series_log_det(
            jacobians, probe, lengths, order, certain=terms, gradient=options.gradient
        )

    def _norms(self, index: int) -> list[ActNorm]:
        """The layer before a block, or none."""
        return [cast(ActNorm, self.norms[index])] if len(self.norms) else []

    def _norms_behind(self, blocks: range) -> list[ActNorm]:
        """The layer behind the last block, or none."""
        return self._norms(-1) if blocks.stop == self.network.stack else []


class Block(Bijection):
    """One of the blocks, with the scale and shift before it.

    Args:
        blocks: All of them.
        index: Which one.
    """

    def __init__(self, blocks: ResidualBlocks, index: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.range = range(index, index + 1)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return self.blocks.through(self.blocks.network.at(context), self.range, x)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        functions = self.blocks.network.at(context, certain=True)
        x = self.blocks.back(functions, self.range, z)
        return x, -self.blocks.through(functions, self.range, x)[1]


class _Draws(Plain):
    """The random numbers of an estimate for a batch."""

    @staticmethod
    def vmap(*arguments: Any) -> Any:
        raise NotImplementedError(
            "an estimated log-determinant draws for all of a batch, and torch.vmap shows it one "
            "sample at a time: give it the whole batch, or take log_det=exact"
        )


def _seeded_by(x: Tensor) -> torch.Generator:
    """A generator that is a function of the batch."""
    total = x.detach().sum().cpu().double()
    return torch.Generator().manual_seed(int(total.view(torch.int64)))
