"""Layers of bounded norm, against singular values of explicit matrices."""

from __future__ import annotations

import pytest
import torch

from genlab.nn.lipschitz import LipschitzConv2d, LipschitzLayer, LipschitzLinear

C = 0.9


def dense(outputs: int, inputs: int, stack: int = 3) -> LipschitzLinear:
    layer = LipschitzLinear(stack, inputs, outputs, coefficient=C)
    with torch.no_grad():
        layer.weight.normal_()
    return layer


def convolution(outputs: int, inputs: int, side: int = 3) -> LipschitzConv2d:
    layer = LipschitzConv2d(2, inputs, outputs, size=(5, 4), kernel_size=side, coefficient=C)
    with torch.no_grad():
        layer.weight.normal_()
    return layer


LAYERS = {
    "tall": lambda: dense(64, 2),
    "wide": lambda: dense(2, 64),
    "square": lambda: dense(40, 40),
    "row": lambda: dense(1, 7),
    "conv": lambda: convolution(4, 3),
    "conv-1x1": lambda: convolution(3, 3, side=1),
    "conv-5x5": lambda: convolution(2, 5, side=5),
}


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> LipschitzLayer:
    return LAYERS[request.param]()


def matrices(layer: LipschitzLayer, weight: torch.Tensor) -> torch.Tensor:
    """The maps as explicit matrices [stack, inputs, outputs], by the images of all unit vectors."""
    inputs = layer.v.shape[2:]
    identity = torch.eye(inputs.numel(), dtype=weight.dtype).view(-1, *inputs)
    return layer.multiply(torch.stack([identity] * len(weight)), weight).flatten(2).detach()


def norms(layer: LipschitzLayer, weight: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_norm(matrices(layer, weight).double(), ord=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_converged_norm_is_the_largest_singular_value(
    layer: LipschitzLayer, dtype: torch.dtype
) -> None:
    layer = layer.to(dtype)
    sigma, u, v = layer.converged()
    truth = norms(layer, layer.weight)
    torch.testing.assert_close(sigma.double(), truth, rtol=2e-5, atol=0)
    image = layer.multiply(v, layer.weight).flatten(1)
    torch.testing.assert_close(image, sigma[:, None] * u.flatten(1), rtol=0, atol=2e-2)


def test_the_converged_norm_bounds_from_above_however_close_the_singular_values() -> None:
    layer = dense(30, 30, stack=4).double()
    left, _, right = torch.linalg.svd(torch.randn(4, 30, 30, dtype=torch.float64))
    values = torch.linspace(0.5, 1.0, 30, dtype=torch.float64).repeat(4, 1)
    values[1, -2] = 1 - 1e-7
    values[2] = 1.0
    values[3, :-1] = 0.0
    with torch.no_grad():
        layer.weight.copy_(left @ torch.diag_embed(values) @ right)
    sigma = layer.converged().sigma
    assert (sigma >= 1 - 1e-12).all()
    assert (sigma <= 1 + 1e-5).all()


def test_the_weight_in_evaluation_has_the_bound_and_a_small_one_is_left_alone(
    layer: LipschitzLayer,
) -> None:
    layer.eval()
    bounds = torch.full((len(layer.weight),), C)
    torch.testing.assert_close(norms(layer, layer.normalised()), bounds.double(), rtol=3e-5, atol=0)
    torch.testing.assert_close(layer.norm(), bounds, rtol=3e-5, atol=0)
    with torch.no_grad():
        layer.weight.mul_(1e-3)
    torch.testing.assert_close(layer.normalised(), layer.weight, rtol=0, atol=0)
    torch.testing.assert_close(layer.norm().double(), norms(layer, layer.weight), rtol=3e-5, atol=0)


def test_training_steps_reach_the_converged_norm(layer: LipschitzLayer) -> None:
    for _ in range(150):
        weight = layer.normalised()
    torch.testing.assert_close(
        norms(layer, weight), torch.full((len(weight),), C).double(), rtol=1e-3, atol=0
    )


def test_the_bound_that_is_claimed_in_training_is_that_of_the_weight_in_use() -> None:
    layer = dense(40, 40)
    claimed = layer.norm()
    torch.testing.assert_close(
        claimed.double(), norms(layer, layer.normalised()), rtol=3e-5, atol=0
    )
    assert (claimed > C).all()  # three iterations from a random vector are not enough


def test_evaluation_leaves_the_vectors_of_training_alone(layer: LipschitzLayer) -> None:
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.eval()
    layer.normalised()
    assert before.keys() == {"weight", "u", "v"}
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_changed_weight_is_noticed(layer: LipschitzLayer) -> None:
    layer.eval()
    layer.normalised()
    with torch.no_grad():
        layer.weight.normal_()
    torch.testing.assert_close(
        layer.converged().sigma.double(), norms(layer, layer.weight), rtol=3e-5, atol=0
    )
    optimizer = torch.optim.Adam([layer.weight], lr=0.1, fused=True)
    layer.weight.grad = torch.randn_like(layer.weight)
    optimizer.step()
    torch.testing.assert_close(
        layer.converged().sigma.double(), norms(layer, layer.weight), rtol=3e-5, atol=0
    )
    layer.load_state_dict({**layer.state_dict(), "weight": torch.randn_like(layer.weight)})
    torch.testing.assert_close(
        layer.converged().sigma.double(), norms(layer, layer.weight), rtol=3e-5, atol=0
    )
    layer.double()
    assert layer.normalised().dtype == torch.float64


def test_the_gradient_passes_through_the_norm(layer: LipschitzLayer) -> None:
    layer = layer.double().eval()
    direction = torch.randn_like(layer.weight)
    (layer.normalised() * direction).sum().backward()
    weight = layer.weight.detach().clone().requires_grad_()
    inputs = layer.v.shape[2:]
    identity = torch.eye(inputs.numel(), dtype=weight.dtype).view(-1, *inputs)
    explicit = layer.multiply(torch.stack([identity] * len(weight)), weight).flatten(2)
    sigma = torch.linalg.matrix_norm(explicit, ord=2)
    scaled = weight * (C / sigma).view(-1, *[1] * (weight.ndim - 1))
    (scaled * direction).sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-3, atol=1e-3)


def test_a_map_that_was_zero_is_found_again() -> None:
    layer = dense(5, 4)
    with torch.no_grad():
        layer.weight.zero_()
    assert layer.normalised().isfinite().all()
    with torch.no_grad():
        layer.weight.normal_()
    for _ in range(100):
        weight = layer.normalised()
    torch.testing.assert_close(
        norms(layer, weight), torch.full((3,), C).double(), rtol=1e-3, atol=0
    )


def test_a_stack_is_its_maps_one_by_one(layer: LipschitzLayer) -> None:
    x = torch.randn(len(layer.weight), 6, *layer.v.shape[2:])
    together = layer.multiply(x, layer.weight)
    for index, weight in enumerate(layer.weight):
        torch.testing.assert_close(together[index], layer.affine(x[index], weight, None))
    y = torch.randn_like(together)
    back = layer.multiply_transposed(y, layer.weight)
    torch.testing.assert_close((together * y).sum(), (x * back).sum())


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel_size: expected an odd number, got 4"):
        convolution(2, 2, side=4)
