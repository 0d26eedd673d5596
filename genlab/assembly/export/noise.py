"""The random numbers that samples are made of: found out, and given from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genlab.densities.density import Density
from genlab.densities.inference import private_randomness
from genlab.errors import RunError
from genlab.models import GMM, VAE, Flow

__all__ = ["Given", "Noise", "UnexportableError", "noise_of", "sample_from"]

# Each by the words that its draws come in; further ones are numbered.
NAMES: dict[type[Density], tuple[str, ...]] = {
    VAE: ("code", "observation"),
    GMM: ("normal", "part"),
    Flow: ("latent",),
}
NORMAL = (torch.randn, Tensor.normal_)
UNIFORM = (torch.rand, Tensor.uniform_)
OTHERS = (
    *(torch.bernoulli, torch.normal, torch.poisson, torch.randint, torch.randperm),
    *(torch.randn_like, torch.rand_like, torch.randint_like),
    *(Tensor.bernoulli, Tensor.bernoulli_, Tensor.cauchy_, Tensor.exponential_),
    *(Tensor.geometric_, Tensor.log_normal_, Tensor.random_),
)
UNLIKE = "its samples are not made of standard normal and uniform numbers alone"
# Two numbers of rows that nothing else is likely to be.
ROWS = (53, 59)


class UnexportableError(RunError):
    """What a program cannot do, with the reason."""


class Noise(NamedTuple):
    """Independent numbers that a draw takes for each sample.

    Attributes:
        name: What they decide.
        distribution: ``normal`` for ``N(0, 1)``, ``uniform`` for ``[0, 1)``.
        shape: Of one sample's.
        axis: Where the rows stand in the model's own draw.
    """

    name: str
    distribution: Literal["normal", "uniform"]
    shape: tuple[int, ...]
    axis: int

    def draw(self, n: int, generator: torch.Generator, like: Tensor) -> Float[Tensor, "n ..."]:
        """The noise of n samples, rows first, in the type and on the device of a tensor."""
        make = torch.randn if self.distribution == "normal" else torch.rand
        drawn = make((n, *self.shape), generator=generator, dtype=like.dtype)
        return drawn.to(like.device)


def noise_of(model: Density, context: Tensor | None = None) -> tuple[Noise, ...]:
    """What the samples of a model are made of, in the order of its draws.

    >>> import genlab
    >>> [(noise.name, noise.distribution, noise.shape) for noise in noise_of(genlab.models.GMM(2))]
    [('normal', 'normal', (2,)), ('part', 'uniform', ())]

    Args:
        model: The model.
        context: One row, where it has a condition.

    Raises:
        UnexportableError: How many numbers a sample takes is not fixed, they are of other kinds, or
            do not make the samples.
    """
    found = []
    for seed, rows in enumerate(ROWS):
        with _Recorded() as recorded, private_randomness(model.device, seed):
            x = model.sample(rows, context)
        found.append(recorded.draws)
    few, many = found
    kinds = [[kind for kind, _ in draws] for draws in found]
    axes = [_axis(a, b) for (_, a), (_, b) in zip(few, many, strict=False)]
    if kinds[0] != kinds[1] or None in axes:
        raise UnexportableError(
            "it draws again what it rejects, so that no fixed number of random ones makes a sample"
        )
    _refuse_others(model, context, x, recorded)
    names = _names(model, kinds[0])
    return tuple(
        Noise(name, kind, (*shape[:axis], *shape[axis + 1 :]), axis)
        for name, (kind, shape), axis in zip(names, few, axes, strict=True)
        if axis is not None
    )


def sample_from(
    model: Density,
    noise: Sequence[Noise],
    drawn: Sequence[Float[Tensor, "n ..."]],
    context: Tensor | None = None,
) -> Float[Tensor, "n *event"]:
    """The samples that a model makes of given noise, in data units.

    Args:
        model: The model.
        noise: What its samples are made of, by `noise_of`.
        drawn: Such numbers, rows first.
        context: One row, or one for each sample.
    """
    with Given([part.movedim(0, one.axis) for one, part in zip(noise, drawn, strict=True)]):
        return model._drawn(drawn[0].shape[0], context, None)


class Given(TorchFunctionMode):
    """Lets torch's draws return what is given, one after the other.

    A draw of one of K parts with weights w takes a uniform number u, and is the first k with
    ``sum_{i <= k} w_i > u sum_i w_i``.

    Args:
        drawn: The numbers, in the shapes that are asked for.
    """

    def __init__(self, drawn: Sequence[Tensor]) -> None:
        super().__init__()
        self.waiting = list(drawn)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in NORMAL or func in UNIFORM:
            return self.waiting.pop(0)
        if func is torch.multinomial:
            return _part(args[0], self.waiting.pop(0))
        return func(*args, **(kwargs or {}))


class _Recorded(TorchFunctionMode):
    """Writes down what is drawn, as a kind and a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[tuple[Literal["normal", "uniform"], tuple[int, ...]]] = []
        self.numbers: list[Tensor] = []
        self.chooses = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in OTHERS:
            raise UnexportableError(
                f"it draws by torch's `{func.__name__}`, of which no uniform or normal number "
                "is made"
            )
        ends = [*args[1:], *(set(kwargs or {}) - {"generator"})]
        if func in (Tensor.normal_, Tensor.uniform_) and ends:
            raise UnexportableError(UNLIKE)
        out = func(*args, **(kwargs or {}))
        if func in NORMAL:
            self.draws.append(("normal", tuple(out.shape)))
        elif func in UNIFORM:
            self.draws.append(("uniform", tuple(out.shape)))
        elif func is torch.multinomial:
            self.draws.append(("uniform", (out.shape[0],)))
            self.chooses = True
        if func in NORMAL or func in UNIFORM:
            self.numbers.append(out.clone())
        return out


def _refuse_others(
    model: Density, context: Tensor | None, x: Float[Tensor, "n *event"], recorded: _Recorded
) -> None:
    """Let no program be made of numbers that, given, do not make the samples that they made.

    A draw may fill a tensor in place. Of a choice among parts
    the uniform number is unknown.

    Raises:
        UnexportableError: They do not.
    """
    if recorded.chooses:
        return
    with torch.no_grad(), Given(recorded.numbers):
        again = model._drawn(len(x), context, None)
    if not torch.allclose(again, x, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise UnexportableError(UNLIKE)


def _part(weights: Float[Tensor, "*n k"], u: Float[Tensor, " n"]) -> Int[Tensor, "..."]:
    shares = weights.cumsum(-1)
    bar = u[:, None] * shares[..., -1:]
    part = (shares <= bar).sum(-1).clamp_max(weights.shape[-1] - 1)
    # As torch.multinomial: a row of its draws for each row of weights.
    return part if weights.ndim == 1 else part[:, None]


def _axis(few: tuple[int, ...], many: tuple[int, ...]) -> int | None:
    """The axis of the rows in a draw; None where it has none."""
    places = [i for i, sizes in enumerate(zip(few, many, strict=False)) if sizes == ROWS]
    if len(places) != 1 or math.prod(few) * ROWS[1] != math.prod(many) * ROWS[0]:
        return None
    return places[0]


def _names(model: Density, kinds: Sequence[str]) -> list[str]:
    words = next((words for of, words in NAMES.items() if isinstance(model, of)), ("noise",))
    further = (f"{words[-1]}_{number}" for number in range(2, 2 + len(kinds)))
    return [*words, *further][: len(kinds)]
