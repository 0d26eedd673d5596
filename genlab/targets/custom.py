"""The user's own target: one Python file."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.targets.target import Target
from genlab.userfile import UserFile

__all__ = ["Custom"]

TRIAL = 3


class Custom(Target):
    """A target that a Python file defines by these names::

        def sample(n, generator):   # [n, dim], random numbers from the generator
        def log_prob(x):            # [n, dim] -> [n], exact, in nats
        normalised = False          # if log_prob lacks a constant that is unknown
        log_z = 1.88                # if it lacks a known one: the log of its exponential's integral
        entropy = 2.83              # if known: in nats
        bound = 4.0                 # if wanted: figures show [-bound, bound]^2

    One of the two functions is enough: samples serve maximum likelihood, a density reverse KL,
    which without samples looks for its start in ``[-bound, bound]^dim``.

    The file runs from where it lies and need not be importable; a copy of the target runs it again.

    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".py") as file:
    ...     print("log_z = 0.5723649  # log sqrt(pi)", file=file)
    ...     print("log_prob = lambda x: -x.square().sum(1)", file=file, flush=True)
    ...     target = Custom(file.name, dim=1)
    >>> target.log_prob(torch.zeros(1, 1)), target.has_samples
    (tensor([-0.5724]), False)

    Args:
        file: Path of the file.
        dim: Number of coordinates of a sample.

    Raises:
        UserError: The file is missing or fails, or what it defines does not fit.
    """

    def __init__(self, file: str, dim: PositiveInt) -> None:
        super().__init__()
        self.event_shape = (dim,)
        self._file = UserFile(file, "file")
        self._sample = self._file.function("sample")
        self._density = self._file.function("log_prob")
        if self._sample is None and self._density is None:
            raise self._file.missing("function sample(n, generator) or log_prob(x)", "sample")
        self._file.refuse_misspelt(("sample", "log_prob"))
        self.log_z = self._constant()
        self.entropy = self._file.number("entropy")
        bound = self._file.number("bound")
        if bound is not None and not bound > 0:
            raise self._file.error("bound", f"bound is {bound:g}, expected a positive number")
        self.bound = Target.bound if bound is None else bound
        self._try()

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions of a file that is not importable cannot be pickled: the file is what is kept.
        return partial(Custom, self._file.path, *self.event_shape), ()

    @property
    def has_samples(self) -> bool:
        return self._sample is not None

    @property
    def has_density(self) -> bool:
        return self.has_energy and self.log_z is not None

    @property
    def has_energy(self) -> bool:
        return self._density is not None

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        sample = self._sample
        if sample is None:
            return super().sample(n, generator=generator)
        x = self._file.tensor(
            f"sample({n}, generator)",
            lambda: sample(n, generator=generator),
            (n, *self.event_shape),
            hint=self._hint,
        )
        return x.detach().float()

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if self._density is None or self.log_z is None:
            return super().log_prob(x)
        return -self.energy(x) - self.log_z

    def energy(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        density = self._density
        if density is None:
            return super().energy(x)
        log_p = self._file.tensor(
            "log_prob(x)",
            lambda: density(x),
            (len(x),),
            given=f" of x {list(x.shape)}",
            hint=self._hint,
        )
        return -log_p.to(x)

    @property
    def _hint(self) -> str:
        return f" (dim={self.event_shape[0]})"

    def _try(self) -> None:
        """Find mistakes before anything is trained on them."""
        if not self.has_samples:
            # Nothing tells where the mass lies: only that the function works can be tried.
            self.energy(torch.zeros(TRIAL, *self.event_shape))
            return
        x, again = (
            self.sample(TRIAL, generator=torch.Generator().manual_seed(0)) for _ in range(2)
        )
        if not x.isfinite().all():
            raise self._file.error(
                "sample",
                f"sample({TRIAL}, generator) returned {x.tolist()}, expected finite numbers",
            )
        if not torch.equal(x, again):
            raise self._file.error(
                "sample",
                "sample gives other numbers for the same generator; "
                "draw them with torch.rand(..., generator=generator)",
            )
        if self.has_energy and not self.energy(x).isfinite().all():
            raise self._file.error(
                "log_prob",
                f"log_prob of samples {x.tolist()} is {(-self.energy(x)).tolist()}, expected "
                "finite numbers",
            )

    def _constant(self) -> float | None:
        """The logarithm of the integral of ``exp(log_prob)``; None where it is unknown."""
        normalised = self._file.names.get("normalised", True)
        if not isinstance(normalised, bool):
            raise self._file.error(
                "normalised", f"normalised is {normalised!r}, expected True or False"
            )
        if "log_z" in self._file.names:
            return self._file.number("log_z")
        return 0.0 if normalised else None
