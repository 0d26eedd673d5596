"""The loss of a PINN as the squared length of a vector of rows, which a step can be taken on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from genlab.pde import Jet
from genlab.pinn.network import Frame, Network

__all__ = ["Rows", "Term"]


class Term(NamedTuple):
    """Rows ``w_i f(u)(x_i)``: a residual in the domain, or what is missed on its boundary.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> from genlab.pde import Peak
    >>> network = Network(Peak(), hidden=[8])
    >>> term = Term(network.frame(torch.rand(5, 2)), network.residual, torch.ones(5))
    >>> term.weight.shape
    torch.Size([5])

    Attributes:
        frame: The points.
        value: Takes a frame and the jet of ``u`` there to ``f``, ``[n]``.
        weight: The square root of what each square counts in the loss, ``[n]``.
    """

    frame: Frame
    value: Callable[[Frame, Jet], Float[Tensor, " n"]]
    weight: Float[Tensor, " n"]


class Rows:
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
        evaluations: Points at which the rows were computed.
    """

    def __init__(self, network: Network, terms: Sequence[Term]) -> None:
        self.network = network
        self.terms = list(terms)
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

    @torch.no_grad()
    def rows(self, theta: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
        """``R(theta)``."""
        self.theta = theta
        return torch.cat([self._of(term) for term in self.terms])

    def linearise(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n p"]]:
        """``R(theta)`` and the Jacobian."""
        self.theta = theta
        parts = []
        for frame, value, weight in self.terms:
            self.evaluations += len(frame.x)
            r, jacobian = self.network.linearise(frame, value)
            parts.append((weight * r, jacobian.mul_(weight[:, None])))
        r, jacobian = map(torch.cat, zip(*parts, strict=True)) if len(parts) > 1 else parts[0]
        return r, jacobian

    def gradient(
        self, theta: Float[Tensor, " p"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " p"]]:
        """``R(theta)`` and the gradient of ``|R|^2``, by one way back through the jets."""
        self.theta = theta
        weights = list(self.network.parameters())
        with torch.enable_grad():
            r = torch.cat([self._of(term) for term in self.terms])
            parts = torch.autograd.grad(r.square().sum(), weights, materialize_grads=True)
        return r.detach(), torch.cat([part.reshape(-1) for part in parts])

    def interior(self, r: Float[Tensor, " n"]) -> float:
        """The part of ``|R|^2`` that the first term makes."""
        return r[: len(self.terms[0].frame.x)].square().sum().item()

    def _of(self, term: Term) -> Float[Tensor, " n"]:
        self.evaluations += len(term.frame.x)
        return term.weight * term.value(term.frame, self.network.jet(term.frame))
