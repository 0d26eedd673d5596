"""The loss of a PINN as the squared length of a vector of rows, which a step can be taken on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from genlab.pde import Product
from genlab.pde.problem import zero_jets
from genlab.pinn.least_squares import LeastSquares
from genlab.pinn.network import Frame, Network, Term
from genlab.samplers import Points
from genlab.samplers.weights import uniform_weights

__all__ = ["Rows", "rows_at"]

AT_ONCE = 1024
"""Points whose way through the layers is held at once: it stays in the processor's cache."""


class Rows(LeastSquares):
    """``R(theta)``, the rows of some terms one below the other, and their derivatives.

    References: arXiv:2307.08214 (the jets that are carried through the layers).

    >>> from genlab.pde import Peak
    >>> network = Network(Peak(), hidden=[8])
    >>> frame = network.frame(torch.rand(5, 2))
    >>> rows = Rows(network, [Term(frame, network.residual, torch.ones(5) / 5**0.5)])
    >>> r, jacobian = rows.linearise(rows.theta)
    >>> torch.allclose(r @ r, network.residual(frame).square().mean()), jacobian.shape
    (True, torch.Size([5, 33]))

    Args:
        network: ``u``; it holds whichever weights were asked for last.
        terms: What the loss is made of.

    Attributes:
        evaluations: Points at which the first of the terms, the residual, was computed since it
            was last told by `spent`.
    """

    def __init__(self, network: Network, terms: Sequence[Term]) -> None:
        self.network = network
        self.terms = list(terms)
        self._jacobian: Tensor | None = None
        self.evaluations = 0

    @property
    def theta(self) -> Float[Tensor, " p"]:
        """The weights that the network holds."""
        return parameters_to_vector(self.network.parameters()).detach()

    @theta.setter
    @torch.no_grad()
    def theta(self, theta: Float[Tensor, " p"]) -> None:
        # They become views, which whoever loads other weights into the network writes to.
        vector_to_parameters(theta.clone(), self.network.parameters())

    def __len__(self) -> int:
        return sum(self.sizes)

    @cached_property
    def sizes(self) -> list[int]:
        """Rows of each term: a condition may have several for each of its points."""
        components = len(self.network.problem.components)
        with torch.no_grad():
            zeros = ((term, zero_jets(term.frame.x, components)) for term in self.terms)
            return [term.value(term.frame, zero).numel() for term, zero in zeros]

    @property
    def rows_a_point(self) -> int:
        """Rows of the residual at each point, one for each equation."""
        return self.sizes[0] // len(self.terms[0].weight)

    @cached_property
    def _passes(self) -> list[Term]:
        """The terms, and of the residual as many points as are taken through the layers at once."""
        residual, *conditions = self.terms
        return [*residual.split(AT_ONCE), *conditions]

    @torch.no_grad()
    def rows(self, theta: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        """``R(theta)``."""
        self._at(theta)
        return torch.cat([self.network.rows(term) for term in self.terms])

    def linearise(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n p"]]:
        """``R(theta)`` and the Jacobian, which the next one is written over."""
        self._at(theta)
        if self._jacobian is None:
            self._jacobian = theta.new_empty(len(self), len(theta))
        inside, *blocks = self._jacobian.split(self.sizes)
        blocks = [*inside.split(self.rows_a_point * AT_ONCE), *blocks]
        parts = [
            self.network.linearise(term.frame, term.weighted, out=block)[0]
            for term, block in zip(self._passes, blocks, strict=True)
        ]
        return torch.cat(parts), self._jacobian

    def products(self, theta: Float[Tensor, " p"]) -> tuple[Float[Tensor, " n"], Product, Product]:
        """``R(theta)``, and what multiplies by the Jacobian and its transpose, by passes alone."""
        self._at(theta)
        parts = [self.network.products(term.frame, term.weighted) for term in self.terms]
        sizes = [len(r) for r, _, _ in parts]

        def ahead(v: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
            return torch.cat([forward(v) for _, forward, _ in parts])

        def back(w: Float[Tensor, " n"]) -> Float[Tensor, " p"]:
            split = zip(parts, w.split(sizes), strict=True)
            return torch.stack([backward(some) for (_, _, backward), some in split]).sum(0)

        return torch.cat([r for r, _, _ in parts]), ahead, back

    def gradient(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " p"]]:
        """``R(theta)`` and the gradient of ``|R|^2``, by one way back through the jets."""
        self._at(theta)
        weights = list(self.network.parameters())
        with torch.enable_grad():
            r = torch.cat([self.network.rows(term) for term in self.terms])
            parts = torch.autograd.grad(r.square().sum(), weights, materialize_grads=True)
        return r.detach(), torch.cat([part.reshape(-1) for part in parts])

    def interior(self, r: Float[Tensor, " n"]) -> float:
        """The part of ``|R|^2`` that the first term makes."""
        return r[: self.sizes[0]].square().sum().item()

    def spent(self) -> int:
        """The evaluations that nobody has been told of yet."""
        spent, self.evaluations = self.evaluations, 0
        return spent

    def _at(self, theta: Float[Tensor, " p"]) -> None:
        """Let the network hold these weights, for one evaluation."""
        self.theta = theta
        self.evaluations += len(self.terms[0].frame.x)


def rows_at(
    network: Network,
    points: Points,
    conditions: Sequence[Term] = (),
    *,
    log_uniform: float,
    frame: Frame | None = None,
) -> Rows:
    """The rows of the residual at some points, and of what conditions miss.

    The squares of the first are ``1/n sum_i r(x_i)^2 / (|Omega| q(x_i))``.

    Args:
        network: ``u``.
        points: Points ``x_i ~ q``; where ``q`` is not known all count the same.
        conditions: The terms of `Network.conditions`.
        log_uniform: ``-log |Omega|``.
        frame: The network's frame of the points, where it is at hand.
    """
    frame = frame or network.frame(network.cast(points.x))
    weight = frame.x.new_full((len(points.x),), len(points.x)).rsqrt()
    if points.log_q is not None:
        log_q = network.cast(points.log_q)
        weight = weight * uniform_weights(log_q, log_uniform=log_uniform, power=0.5)
    return Rows(network, [Term(frame, network.residual, weight), *conditions])
