"""Residual blocks: round trip, estimators against the exact determinant, gradients, memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from properties import disturb
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from genlab.bijections import ResidualBlocks, ResidualOptions
from genlab.errors import RunError
from genlab.nn import LipschitzConvNet, LipschitzMLP

OPTIONS = ResidualOptions("exact", 2, 20, "neumann", "anderson", 1e-8)


def blocks(dim: int = 3, stack: int = 1, **options: Any) -> ResidualBlocks:
    torch.manual_seed(0)
    network = LipschitzMLP(stack, dim, hidden=[32, 32], activation="sine", bound=0.98)
    return disturb(ResidualBlocks(network, OPTIONS._replace(**options)), 0.3)


def strong(dim: int = 3, **options: Any) -> ResidualBlocks:
    """A block that comes near its bound: orthogonal matrices, and slopes near 1."""
    torch.manual_seed(0)
    network = LipschitzMLP(1, dim, hidden=[dim, dim], activation="sine", bound=0.98)
    with torch.no_grad():
        network.layers[-1].weight.mul_(10)
        for parameter in (*network.biases, *network.log_sharpness):
            parameter.mul_(0.1)
    return ResidualBlocks(network, OPTIONS._replace(**options))


def images(**options: Any) -> ResidualBlocks:
    torch.manual_seed(0)
    network = LipschitzConvNet(
        2, (2, 4, 3), hidden=[6], kernel_size=3, activation="sine", bound=0.98, context_dim=2
    )
    return disturb(ResidualBlocks(network, OPTIONS._replace(**options)), 0.3)


@pytest.mark.parametrize("solver", ["anderson", "plain"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)], ids=["f32", "f64"]
)
@pytest.mark.parametrize("dim", [1, 2, 16])
def test_round_trip_at_coefficient_098(
    dim: int, dtype: torch.dtype, tolerance: float, solver: str
) -> None:
    layer = blocks(dim, stack=8, solver=solver).to(dtype).eval()
    assert (layer.network.lipschitz() > 0.979).all()
    x = 3 * torch.randn(500, dim, dtype=dtype)
    with torch.no_grad():
        z, _ = layer(x)
        assert (layer.generate(z) - x).abs().max() < tolerance
        assert (layer(layer.generate(x))[0] - x).abs().max() < tolerance


def repeated(x: torch.Tensor, n: int) -> torch.Tensor:
    return x.expand(n, *x.shape[1:]).clone()


def z_score(draws: torch.Tensor, truth: torch.Tensor) -> float:
    error = draws.std() / math.sqrt(len(draws))
    return ((draws.mean() - truth) / error).item()


@pytest.mark.parametrize(
    ("make", "training", "n"),
    [(strong, True, 10_000), (strong, False, 10_000), (images, True, 3000)],
    ids=["dense-training", "dense-evaluation", "conv"],
)
def test_the_roulette_is_unbiased(make: Any, training: bool, n: int) -> None:
    exact, estimate = make().double(), make(log_det="russian_roulette").double()
    layer = exact.network
    x = 0.5 * torch.randn(1, *layer.event_shape, dtype=torch.float64)
    context = None if layer.context is None else torch.randn(1, 2, dtype=torch.float64)
    many = None if context is None else repeated(context, n)
    for module in (exact, estimate):
        module.eval()  # the same converged weights
    truth = exact(x, context)[1].detach()
    estimate.training = training
    draws = estimate(repeated(x, n), many)[1].detach()
    assert draws.std() > 0
    assert abs(z_score(draws, truth)) < 3


@pytest.mark.parametrize("gradient", ["neumann", "direct"])
def test_the_gradient_of_the_roulette_is_unbiased(gradient: str) -> None:
    exact = strong().double().eval()
    estimate = strong(log_det="russian_roulette", gradient=gradient).double().eval()
    estimate.training = True
    x = torch.randn(1, 3, dtype=torch.float64)
    one = x.clone().requires_grad_()
    exact(one)[1].sum().backward()
    many = repeated(x, 10_000).requires_grad_()
    estimate(many)[1].sum().backward()
    assert one.grad is not None
    assert many.grad is not None
    for truth, draws in zip(one.grad[0], many.grad.mT, strict=True):
        assert abs(z_score(draws, truth)) < 3

    # By the parameters: along a direction, over batches of 100.
    direction = [torch.randn_like(p) for p in exact.parameters()]
    truth = along(direction, [p.grad for p in exact.parameters()])
    batches = []
    for _ in range(100):
        estimate.zero_grad()
        estimate(repeated(x, 100))[1].mean().backward()
        batches.append(along(direction, [p.grad for p in estimate.parameters()]))
    assert abs(z_score(torch.stack(batches), truth)) < 3


def along(direction: list[torch.Tensor], gradients: list[torch.Tensor | None]) -> torch.Tensor:
    # The last bias moves no Jacobian.
    pairs = zip(direction, gradients, strict=True)
    return sum((d * g).sum() for d, g in pairs if g is not None)


def test_a_shared_truncation_leaves_a_bias_that_terms_remove() -> None:
    # In one dimension a probe of signs is exact, so the series is the logarithm's.
    exact = strong(1).double().eval()
    x = torch.randn(50, 1, dtype=torch.float64)
    truth = exact(x)[1]
    errors = []
    for terms in (2, 20, 600):
        series = strong(1, log_det="power_series", evaluation_terms=terms).double().eval()
        errors.append((series(x)[1] - truth).abs().max().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-7


def test_a_series_in_training_has_as_many_terms_as_it_is_told() -> None:
    short, long = (
        strong(1, log_det="power_series", terms=terms).double().eval() for terms in (2, 3)
    )
    x = torch.randn(9, 1, dtype=torch.float64)
    z = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(short(z)[0].sum() - z.sum(), z)
    for layer in (short, long):
        layer.training = True
    a = slope[:, 0]
    torch.testing.assert_close(short(x)[1], a - a**2 / 2)
    torch.testing.assert_close(long(x)[1], a - a**2 / 2 + a**3 / 3)


def saved_bytes(layer: ResidualBlocks, x: torch.Tensor) -> int:
    """What the graph of a training step keeps for its backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = layer(x)
    assert result[1].requires_grad
    return sum(kept.values())


def test_the_memory_of_the_neumann_gradient_does_not_grow_with_the_terms() -> None:
    x = torch.randn(64, 16)
    kept = {
        gradient: [
            saved_bytes(blocks(16, log_det="power_series", gradient=gradient, terms=terms), x)
            for terms in (2, 10, 50)
        ]
        for gradient in ("neumann", "direct")
    }
    assert kept["neumann"][0] == kept["neumann"][1] == kept["neumann"][2]
    assert kept["direct"][2] > 3 * kept["direct"][1] > 6 * kept["direct"][0] / 2
    assert kept["neumann"][0] < kept["direct"][1]


def test_estimates_repeat_in_evaluation_and_follow_the_global_generator_in_training() -> None:
    layer = blocks(5, stack=2, log_det="russian_roulette")
    x = torch.randn(20, 5)
    layer.eval()
    state = torch.get_rng_state()
    assert torch.equal(layer(x)[1], layer(x)[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(layer(torch.cat((x, x)))[1][:20], layer(x)[1])
    for module in (layer, *layer.modules()):
        module.training = module is layer  # the draws of training, the weights of evaluation
    first, second = layer(x)[1], layer(x)[1]
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(layer(x)[1], first)


def test_images_pass_there_and_back_with_their_log_determinant() -> None:
    layer = images().double().eval()
    x = torch.randn(6, 2, 4, 3, dtype=torch.float64)
    context = torch.randn(6, 2, dtype=torch.float64)
    z, log_det = layer(x, context)
    back, inverse_log_det = layer.inverse(z, context)
    torch.testing.assert_close(back, x, atol=1e-7, rtol=0)
    torch.testing.assert_close(inverse_log_det, -log_det, atol=1e-6, rtol=0)
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda row, i=i: layer(row[None], context[i : i + 1])[0][0], x[i]
        ).reshape(24, 24)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det[i])


@pytest.mark.parametrize("solver", ["anderson", "plain"])
def test_the_gradient_of_the_inverse_is_that_of_the_implicit_function(solver: str) -> None:
    layer = blocks(stack=2, solver=solver, tolerance=1e-13).double().eval()
    z = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.generate, z, atol=1e-6, check_undefined_grad=False)
    assert torch.autograd.gradcheck(
        lambda z: layer.inverse(z)[1], z, atol=1e-6, check_undefined_grad=False
    )

    def loss() -> torch.Tensor:
        return torch.sin(layer.generate(z.detach())).sum()

    layer.zero_grad()
    loss().backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None
        direction = torch.randn_like(parameter)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(sign * 1e-6 * direction)
                values.append(loss())
                parameter.sub_(sign * 1e-6 * direction)
        slope = (values[0] - values[1]) / 2e-6
        torch.testing.assert_close((parameter.grad * direction).sum(), slope, atol=1e-5, rtol=1e-4)


def test_the_gradient_of_the_inverse_scales_with_the_loss() -> None:
    layer = strong().eval()
    z = torch.randn(64, 3, requires_grad=True)
    loss = layer.generate(z).square().sum()
    (whole,) = torch.autograd.grad(loss, z, retain_graph=True)
    (small,) = torch.autograd.grad(1e-6 * loss, z)
    torch.testing.assert_close(1e6 * small, whole, atol=1e-3, rtol=1e-3)


def test_the_steps_are_the_blocks() -> None:
    layer = blocks(stack=3).double().eval()
    x = torch.randn(10, 3, dtype=torch.float64)
    z, log_det = layer(x)
    y, total = x, torch.zeros(10, dtype=torch.float64)
    for step in layer.steps():
        torch.testing.assert_close(step.inverse(step(y)[0])[0], y)
        y, own = step(y)
        total = total + own
    torch.testing.assert_close(y, z)
    torch.testing.assert_close(total, log_det)


def test_no_inverse_without_a_bound_below_one() -> None:
    layer = blocks().eval()
    for linear in layer.network.layers:
        linear.coefficient = 1.1
    with torch.no_grad():
        for linear in layer.network.layers:
            linear.weight.mul_(10)
    with pytest.raises(RunError, match=r"Lipschitz bound 1\.33\d*: no inverse is certain"):
        layer.inverse(torch.randn(5, 3))


@pytest.mark.parametrize("log_det", ["exact", "russian_roulette", "power_series"])
def test_an_empty_batch(log_det: str) -> None:
    layer = blocks(log_det=log_det).eval()
    z, value = layer(torch.zeros(0, 3))
    assert z.shape == (0, 3)
    assert value.shape == (0,)
    assert layer.generate(z).shape == (0, 3)


@pytest.mark.parametrize("activation", ["sine", "lipswish"])
@pytest.mark.parametrize("gradient", ["exact", "direct", "neumann"])
def test_all_orders_of_differentiation_agree(activation: str, gradient: str) -> None:
    network = LipschitzMLP(2, 3, hidden=[8, 8], activation=activation, bound=0.9)
    options = OPTIONS
    if gradient != "exact":
        options = OPTIONS._replace(log_det="russian_roulette", gradient=gradient)
    layer = disturb(ResidualBlocks(network, options, actnorm=True), 0.3).double().eval()
    layer.training = True  # draws that do not depend on x, weights of evaluation

    def f(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        z, value = layer(x)
        return value.sum() + z.sin().sum()

    x = torch.randn(2, 3, dtype=torch.float64)
    second = jacrev(jacrev(f))(x)
    step = 1e-5 * torch.eye(6, dtype=torch.float64).view(6, 2, 3)
    rows = [(jacrev(f)(x + e) - jacrev(f)(x - e)) / 2e-5 for e in step]
    truth = torch.stack(rows).view(2, 3, 2, 3).permute(2, 3, 0, 1)
    torch.testing.assert_close(second, truth, atol=1e-6, rtol=1e-6)
    if gradient == "neumann":  # whose forward mode is that of the other estimate
        second = hessian(f)(x)
    else:
        torch.testing.assert_close(jacfwd(f)(x), jacrev(f)(x))
    for nested in (hessian(f), jacrev(jacfwd(f)), jacfwd(jacfwd(f))):
        torch.testing.assert_close(nested(x), second)


def test_forward_mode_by_the_weights_is_that_of_reverse_mode() -> None:
    layer = blocks(stack=2).double().eval()
    x = torch.randn(5, 3, dtype=torch.float64)
    weights = {name: p.detach() for name, p in layer.named_parameters()}
    tangents = {name: torch.randn_like(p) for name, p in weights.items()}

    def f(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        z, value = functional_call(layer, weights, (x,))
        return value.sum() + z.sin().sum()

    _, along = jvp(f, (weights,), (tangents,))
    truth = sum((g * tangents[name]).sum() for name, g in grad(f)(weights).items())
    torch.testing.assert_close(along, truth)
    # What a transform leaves behind serves plain calls.
    assert torch.equal(layer(x)[1], layer(x)[1].detach())


def test_training_within_a_transform_advances_the_norms() -> None:
    layer, plain = blocks().train(), blocks().train()
    x = torch.randn(5, 3)
    grad(lambda x: layer(x)[1].sum())(x)
    plain(x)
    for one, other in zip(layer.network.layers, plain.network.layers, strict=True):
        assert torch.equal(one.u, other.u)


def test_an_estimate_says_why_it_is_not_mapped() -> None:
    layer = blocks(log_det="russian_roulette").eval()
    with pytest.raises(NotImplementedError, match=r"torch\.vmap.* take log_det=exact"):
        vmap(lambda row: layer(row[None])[1])(torch.randn(4, 3))
