"""Properties that every bijection has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
import torch
from properties import (
    AT_LEAST_TWO,
    BIJECTIONS,
    CIRCULAR,
    DOMAINS,
    IMAGE,
    IMAGES,
    SHAPES,
    disturb,
    jacobian,
    spoilt,
)

from genlab.bijections import Bijection
from genlab.nn import wrap

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
# What solvers reach, where a map is the solution of an equation.
SOLVED = {torch.float32: 1e-4, torch.float64: 1e-7}
DIMS = (1, 2, 5, 16)


TYPES = {"f32": torch.float32, "f64": torch.float64}
MEETINGS = ((0, "f32"), (0, "f64"), (3, "f64"), (3, "f32"))
# One of each kind of layer, in every context and type of numbers at each number of coordinates.
FULL = ("lu_linear", "coupling-affine", "autoregressive", "cylinder", "residual", "image-scales")


def cases() -> Iterator[object]:
    """Each layer in each number of coordinates, while contexts and types of numbers take turns.

    So any two of the four factors meet.
    """
    vectors = [name for name in BIJECTIONS if name not in IMAGES]
    for turn, name in enumerate(vectors):
        for place, dim in enumerate(dims_of(name)):
            for context_dim, kind in met(name, MEETINGS[(turn + place) % 4 :][:1]):
                identity = f"{name}-{dim}-{context_dim}-{kind}"
                yield pytest.param(name, dim, context_dim, TYPES[kind], id=identity)
    for turn, name in enumerate(IMAGES):
        for context_dim, kind in met(name, MEETINGS[turn % 2 :: 2]):
            identity = f"{name}-{context_dim}-{kind}"
            yield pytest.param(
                name, math.prod(shape_of(name, 0)), context_dim, TYPES[kind], id=identity
            )


def met(name: str, some: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    return MEETINGS if name in FULL else some


def dims_of(name: str) -> tuple[int, ...]:
    if name.startswith("ode"):  # as fine as it is solved here, it takes long in many
        return (1, 2, 5)
    return DIMS[1:] if name in AT_LEAST_TWO else DIMS


def make(name: str, dim: int, context_dim: int, dtype: torch.dtype) -> Bijection:
    bijection = BIJECTIONS[name](dim, context_dim)
    x = rows(name, 100, dim)
    x = x if name in DOMAINS else 3 * x + 1
    bijection.initialise(x, context_rows(100, context_dim))
    return disturb(bijection).to(dtype).eval()


def rows(name: str, n: int, dim: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = torch.randn(n, *shape_of(name, dim), dtype=dtype)
    if name not in DOMAINS:
        return x
    low, high = DOMAINS[name]
    return low + (high - low) * x.sigmoid()


def shape_of(name: str, dim: int) -> tuple[int, ...]:
    if name in IMAGES:
        return SHAPES.get(name, IMAGE)
    return (dim,)


def tolerance_of(name: str, dtype: torch.dtype) -> float:
    return (SOLVED if name.startswith("ode") else TOLERANCE)[dtype]


def context_rows(n: int, dim: int, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
    return torch.randn(n, dim, dtype=dtype) if dim else None


@pytest.mark.parametrize(("name", "dim", "context_dim", "dtype"), [*cases()])
def test_round_trip_and_shapes(name: str, dim: int, context_dim: int, dtype: torch.dtype) -> None:
    bijection = make(name, dim, context_dim, dtype)
    x, c = rows(name, 50, dim, dtype), context_rows(50, context_dim, dtype)
    z, log_det = bijection(x, c)
    back_of_z, inverse_log_det = bijection.inverse(z, c)
    assert z.shape == x.shape or name in ("image-squeeze", "image-flatten")
    assert log_det.shape == inverse_log_det.shape == (50,)
    assert z.dtype == log_det.dtype == dtype
    back = x + wrap(back_of_z - x) if name in CIRCULAR else back_of_z
    tolerance = tolerance_of(name, dtype)
    torch.testing.assert_close(back, x, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(inverse_log_det, -log_det, atol=tolerance, rtol=tolerance)
    # Without its integrals an ODE is followed by other steps; any other map is the same.
    near = tolerance if name.startswith("ode") else None
    torch.testing.assert_close(bijection.generate(z, c), back_of_z, atol=near, rtol=near)


@pytest.mark.parametrize(("name", "dim", "context_dim", "dtype"), [*cases()])
def test_log_det_is_that_of_the_autograd_jacobian(
    name: str, dim: int, context_dim: int, dtype: torch.dtype
) -> None:
    bijection = make(name, dim, context_dim, dtype)
    x, c = rows(name, 7, dim, dtype), context_rows(7, context_dim, dtype)

    matrix = jacobian(lambda x: bijection(x, c)[0], x)
    truth = torch.linalg.slogdet(matrix.double()).logabsdet.to(dtype)
    tolerance = 10 * tolerance_of(name, dtype)
    torch.testing.assert_close(bijection(x, c)[1], truth, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("name", "dim", "context_dim", "dtype"), [*cases()])
def test_every_parameter_gets_a_finite_gradient_also_far_out(
    name: str, dim: int, context_dim: int, dtype: torch.dtype
) -> None:
    bijection = make(name, dim, context_dim, dtype)
    scale = torch.tensor([0.0, 1.0, 1e3, 1e6], dtype=dtype)[:, None]
    x = (scale.expand(4, dim).reshape(rows(name, 4, dim).shape).clone()).requires_grad_()
    z, log_det = bijection(x, context_rows(4, context_dim, dtype))
    (torch.tanh(z).sum() + log_det.sum()).backward()
    assert z.isfinite().all()
    # Outside its domain a bijection may say that there is no density.
    assert (log_det.isfinite() | (log_det.isneginf() & (name in DOMAINS))).all()
    for parameter_name, parameter in [*bijection.named_parameters(), ("x", x)]:
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", BIJECTIONS)
def test_state_dict_round_trip(name: str) -> None:
    bijection, other = make(name, 5, 0, torch.float32), BIJECTIONS[name](5, 0).eval()
    with torch.device("meta"):
        assigned, filled = (BIJECTIONS[name](5, 0).eval() for _ in range(2))
    for loaded in (other, spoilt(filled.to_empty(device="cpu"))):
        loaded.load_state_dict(bijection.state_dict())
    assigned.load_state_dict(bijection.state_dict(), assign=True)
    x = rows(name, 10, 5)
    for loaded in (other, assigned, filled):
        torch.testing.assert_close(loaded(x), bijection(x), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["actnorm", "standardise"])
def test_initialise_standardises_the_data_and_spares_constant_columns(name: str) -> None:
    bijection = BIJECTIONS[name](3, 0)
    x = torch.randn(1000, 3) * torch.tensor([5.0, 0.1, 0.0]) + torch.tensor([1.0, -2.0, 7.0])
    z = bijection.initialise(x)
    torch.testing.assert_close(z, bijection(x)[0])
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        z.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )


def test_a_coupling_starts_as_the_identity_and_leaves_one_half_alone() -> None:
    x = torch.randn(20, 5)
    for name in ("coupling-shift", "coupling-affine", "coupling-bounded-affine"):
        torch.testing.assert_close(BIJECTIONS[name](5, 0)(x)[0], x)
        moved = disturb(BIJECTIONS[name](5, 0))(x)[0]
        torch.testing.assert_close(moved[:, :2], x[:, :2])
        assert (moved[:, 2:] != x[:, 2:]).all()


def test_shift_couplings_preserve_volume_exactly() -> None:
    bijection = make("coupling-shift", 5, 0, torch.float32)
    assert (bijection(torch.randn(20, 5))[1] == 0).all()


def test_lu_linear_is_a_matrix_product() -> None:
    layer = make("lu_linear", 4, 0, torch.float64)
    x = torch.randn(6, 4, dtype=torch.float64)
    matrix = layer(torch.eye(4, dtype=torch.float64))[0] - layer.bias
    torch.testing.assert_close(layer(x)[0], x @ matrix + layer.bias)
    torch.testing.assert_close(layer(x)[1][0], torch.linalg.slogdet(matrix).logabsdet)


def test_mistakes_are_named() -> None:
    from genlab.bijections import Compose, HalfSplit, Permutation

    with pytest.raises(ValueError, match="at least 2 coordinates, got 1"):
        HalfSplit(1)
    with pytest.raises(ValueError, match=r"each of 0 \.\. 2 once"):
        Permutation(torch.tensor([0, 0, 2]))
    with pytest.raises(ValueError, match="at least one bijection"):
        Compose([])


def test_squeezing_is_pixel_unshuffling() -> None:
    x, squeeze = torch.randn(3, 2, 4, 6), BIJECTIONS["image-squeeze"](0, 0)
    assert torch.equal(squeeze(x)[0], torch.nn.functional.pixel_unshuffle(x, 2))
    assert squeeze(x[:0])[0].shape == (0, 8, 2, 3)
