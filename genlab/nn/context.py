"""Contexts of conditional densities: a vector, or a class label."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from genlab.nn.plain import Plain

__all__ = ["Context", "ContextEncoder"]

Context = Float[Tensor, "n context"] | None
"""What n samples are conditioned on, a row for each, encoded; None where they are not."""


class ContextEncoder(nn.Module):
    """Turns a context into float rows: vectors are standardised, labels become one-hot rows.

    A linear layer on a one-hot row is an embedding table, so networks downstream need no other.
    Vectors pass as they are until `initialise` has seen some of them, and where `standardise` is
    off.

    >>> import genlab, torch
    >>> encoder = genlab.nn.ContextEncoder(labels=3)
    >>> encoder(torch.tensor([2, 0]), 2, torch.float32)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])

    Args:
        context_dim: Length of a context vector; 0 for none.
        labels: Number of classes; 0 for none.

    Attributes:
        dim: Width of an encoded row: ``context_dim``, ``labels``, or 0 for an unconditional model.
        standardise: Whether `initialise` gives vectors zero mean and unit variance.
        mean: Subtracted from each vector.
        log_scale: Log of what it is then divided by.

    Raises:
        ValueError: Both a vector and a label are asked for.
    """

    mean: Float[Tensor, " c"]
    log_scale: Float[Tensor, " c"]

    def __init__(self, context_dim: int = 0, labels: int = 0) -> None:
        super().__init__()
        if context_dim and labels:
            raise ValueError("labels: a context is a vector (context_dim) or a label, not both")
        self.context_dim = context_dim
        self.labels = labels
        self.standardise = False
        if context_dim:
            self.register_buffer("mean", torch.zeros(context_dim))
            self.register_buffer("log_scale", torch.zeros(context_dim))

    @torch.no_grad()
    def initialise(self, context: Shaped[Tensor, "..."] | None) -> None:
        """Learn the units of vectors from some of them; a constant coordinate keeps its scale."""
        if not (self.standardise and self.context_dim) or context is None:
            return
        std, mean = torch.std_mean(context.reshape(-1, self.context_dim), dim=0, correction=0)
        self.mean.copy_(mean)
        self.log_scale.copy_(torch.where(std > 0, std, torch.ones_like(std)).log())

    @property
    def dim(self) -> int:
        return self.context_dim or self.labels

    def forward(self, context: Shaped[Tensor, "..."] | None, n: int, dtype: torch.dtype) -> Context:
        """Encode one row (broadcast) or ``n`` rows of context.

        Raises:
            ValueError: The context is missing, not wanted, of the wrong shape, or a label is no
                integer or out of range.
        """
        if context is None and self.dim == 0:
            return None
        if context is None:
            raise ValueError(f"context: expected {self._expected(n)}, got none")
        if self.dim == 0:
            raise ValueError("context: this density is unconditional, but a context was given")
        if self.labels:
            rows = self._one_hot(context, n).to(dtype)
        else:
            rows = context.reshape(1, -1) if context.ndim < 2 else context
        if rows.ndim != 2 or rows.shape[1] != self.dim or rows.shape[0] not in (1, n):
            raise ValueError(f"context: expected {self._expected(n)}, got {list(context.shape)}")
        if self.context_dim:
            # In the precision of whichever is finer, rows or buffers.
            rows = ((rows - self.mean) * (-self.log_scale).exp()).to(dtype)
        return rows.expand(n, -1)

    def _one_hot(self, context: Tensor, n: int) -> Tensor:
        if context.is_floating_point() or context.is_complex() or context.dtype == torch.bool:
            raise ValueError(f"context: expected {self._expected(n)}, got {context.dtype}")
        if context.ndim > 1:
            raise ValueError(f"context: expected {self._expected(n)}, got {list(context.shape)}")
        labels = context.reshape(-1).long()

        def encode(labels: Tensor) -> tuple[Tensor]:
            if bad := labels[(labels < 0) | (labels >= self.labels)].tolist():
                raise ValueError(f"context: expected {self._expected(n)}, got {bad[0]}")
            return (nn.functional.one_hot(labels, self.labels),)

        # On an accelerator, to look at numbers is to wait for it: not in each step of training.
        if torch.compiler.is_compiling() or (self.training and labels.device.type != "cpu"):
            return nn.functional.one_hot(labels, self.labels)
        rows: Tensor = Plain.apply(encode, labels)[0]  # type: ignore[no-untyped-call]
        return rows

    def _expected(self, n: int) -> str:
        if self.labels:
            return f"integer labels from 0 to {self.labels - 1} of shape [1] or [{n}]"
        return f"vectors of shape [1, {self.dim}] or [{n}, {self.dim}]"

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
