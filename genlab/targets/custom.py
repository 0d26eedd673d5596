"""The user's own target: one Python file."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.errors import UserError, nearest
from genlab.targets.target import Target

__all__ = ["Custom"]

_Result = TypeVar("_Result")
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

    Args:
        file: Path of the file.
        dim: Number of coordinates of a sample.

    Raises:
        UserError: The file is missing or fails, or what it defines does not fit.
    """

    def __init__(self, file: str, dim: PositiveInt) -> None:
        super().__init__()
        self.file = str(Path(file).expanduser().absolute())
        self.event_shape = (dim,)
        self._key = f"data.file={file}"
        names = self._run()
        self._sample = self._function(names, "sample")
        self._density = self._function(names, "log_prob")
        if self._sample is None and self._density is None:
            own = [name for name, value in names.items() if callable(value)]
            hint = f"; {nearest('sample', own)}" if own else ""
            raise UserError(
                f"{self._key}: defines no function sample(n, generator) or log_prob(x){hint}"
            )
        self.log_z = self._constant(names)
        self.entropy = self._number(names, "entropy")
        bound = self._number(names, "bound")
        if bound is not None and not bound > 0:
            raise UserError(f"{self._key}: bound is {bound:g}, expected a positive number")
        self.bound = Target.bound if bound is None else bound
        self._try()

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions of a file that is not importable cannot be pickled: the file is what is kept.
        return partial(Custom, self.file, *self.event_shape), ()

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
        x: Tensor = self._call(f"sample({n}, generator)", lambda: sample(n, generator=generator))
        self._check(f"sample({n}, generator)", x, (n, *self.event_shape))
        return x.float()

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if self._density is None or self.log_z is None:
            return super().log_prob(x)
        return -self.energy(x) - self.log_z

    def energy(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        density = self._density
        if density is None:
            return super().energy(x)
        log_p: Tensor = self._call("log_prob(x)", lambda: density(x))
        self._check(f"log_prob(x) of x {list(x.shape)}", log_p, (len(x),))
        return -log_p.to(x)

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
            raise UserError(f"{self._key}: sample({TRIAL}, generator) returned {x.tolist()}")
        if not torch.equal(x, again):
            raise UserError(
                f"{self._key}: sample gives other numbers for the same generator; "
                "draw them with torch.rand(..., generator=generator)"
            )
        if self.has_energy and not self.energy(x).isfinite().all():
            raise UserError(
                f"{self._key}: log_prob of samples {x.tolist()} is {(-self.energy(x)).tolist()}, "
                "expected finite numbers"
            )

    def _run(self) -> dict[str, Any]:
        """Run the file; the names that it defines."""
        path = Path(self.file)
        if not path.is_file():
            near = [other.name for other in path.parent.glob("*.py")]
            hint = f"; {nearest(path.name, near)}" if near else ""
            raise UserError(f"{self._key}: no such file{hint}")
        module = ModuleType(f"genlab_custom_{path.stem}")
        module.__file__ = self.file
        before = set(vars(module)) | {"__builtins__"}
        # Dataclasses look the module of a class up by name.
        sys.modules[module.__name__] = module
        self._call("", lambda: _execute(path, vars(module)))
        return {name: value for name, value in vars(module).items() if name not in before}

    def _call(self, what: str, function: Callable[[], _Result]) -> _Result:
        """Call into the user's file; an exception there becomes an error that names its line."""
        try:
            return function()
        except Exception as error:
            line = _line(error, self.file)
            where = f", line {line}" if line else ""
            doing = f"{what} raised " if what else ""
            raise UserError(
                f"{self._key}{where}: {doing}{type(error).__name__}: {error}"
            ) from error

    def _check(self, what: str, value: object, shape: tuple[int, ...]) -> None:
        if not isinstance(value, Tensor):
            raise UserError(
                f"{self._key}: {what} returned {type(value).__name__}, expected a torch tensor"
            )
        if value.shape != shape:
            raise UserError(
                f"{self._key}: {what} returned shape {list(value.shape)}, expected {list(shape)} "
                f"(data.dim={self.event_shape[0]})"
            )

    def _function(self, names: dict[str, Any], name: str) -> Callable[..., Any] | None:
        function: Any = names.get(name)
        if function is None or callable(function):
            return cast(Callable[..., Any] | None, function)
        raise UserError(f"{self._key}: {name} is {function!r}, expected a function")

    def _constant(self, names: dict[str, Any]) -> float | None:
        """The logarithm of the integral of ``exp(log_prob)``; None where it is unknown."""
        normalised = names.get("normalised", True)
        if not isinstance(normalised, bool):
            raise UserError(f"{self._key}: normalised is {normalised!r}, expected True or False")
        if "log_z" in names:
            return self._number(names, "log_z")
        return 0.0 if normalised else None

    def _number(self, names: dict[str, Any], name: str) -> float | None:
        value = names.get(name)
        if value is not None and not isinstance(value, int | float):
            raise UserError(f"{self._key}: {name} is {value!r}, expected a number")
        return None if value is None else float(value)


def _execute(path: Path, names: dict[str, Any]) -> None:
    exec(compile(path.read_bytes(), str(path), "exec"), names)


def _line(error: Exception, file: str) -> int | None:
    """The line of ``file`` where an exception was raised; None if it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
