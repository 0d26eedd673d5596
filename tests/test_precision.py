"""Types of numbers: what an autocast may round, and what a run in double precision keeps."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from properties import (
    BIJECTIONS,
    DOMAINS,
    IMAGE,
    IMAGES,
    MODELS,
    SHAPES,
    cnf,
    disturb,
    flow_matching,
    gmm,
    nsf,
    realnvp,
    resflow,
    vae,
)
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.bijections import Bijection, Compose, FixedStepSolver, LULinear, Standardise
from genlab.densities import Density, StandardNormal
from genlab.models import VAE, FlowMatching
from genlab.nn import UNet, output_of, precision, unrounded
from genlab.objectives import (
    Independent,
    flow_matching_loss,
    negative_elbo,
    negative_log_likelihood,
)
from genlab.paths import Times

TESTS = Path(__file__).parent
AUTOCAST = partial(torch.autocast, "cpu", torch.bfloat16)
SHAPE = (1, 8, 8)
UNET = partial(
    UNet, channels=[8, 8], blocks=1, embedding=8, frequencies=2, condition_shape=()
)  # fmt: skip
SOLVER = FixedStepSolver(method="rk4", steps=2)
ODE = {"network": UNET, "solver": SOLVER, "evaluation": SOLVER, "divergence": "rademacher"}
# Families of images of 64 numbers.
OF_IMAGES: dict[str, Callable[..., Density]] = {
    "realnvp-images": partial(realnvp, scales=2, actnorm=True, mixing="lu"),
    "nsf-images": partial(nsf, scales=2, free_half=False),
    "resflow-images": partial(
        resflow, scales=1, layers=1, hidden=[4], log_det="power_series", evaluation_terms=4
    ),
    "gmm-images": partial(gmm, covariance="low_rank"),
    "vae-images": partial(vae, latent_dim=4),
    "cnf-images": partial(cnf, **ODE),
    "flow-matching-images": partial(flow_matching, **ODE),
}
OF_VECTORS = (
    *("nice", "realnvp-lu", "krnet", "krnet-box", "nsf", "nsf-autoregressive", "resflow", "vae"),
    *("gmm", "gmm-low-rank", "cnf", "flow-matching"),
)
FAMILIES = {name: partial(MODELS[name], 64) for name in OF_VECTORS} | {
    name: partial(make, SHAPE) for name, make in OF_IMAGES.items()
}
# Nothing of these is rounded: they have no network, or one that a rounding would spoil.
EXACT = ("gmm", "resflow", "cnf", "flow-matching")
TIMES = Times(distribution="uniform", mean=0.0, std=1.0)


class Deaf:
    """Networks that are told of no autocast."""

    types = property(lambda _: {}, lambda _, value: None)


@contextmanager
def rounding_around_networks() -> Iterator[None]:
    """An autocast that networks do not follow, so that nothing may change."""
    with pytest.MonkeyPatch.context() as patch, AUTOCAST():
        patch.setattr(precision, "_asked", Deaf())
        yield


def family(name: str, **context: int) -> Density:
    model = FAMILIES[name](**context)
    if model.preprocessing is None:
        model.preprocessing = Standardise(model.event_shape)
    labels = torch.arange(300) % 3 if context else None
    model.initialise(torch.randn(300, *model.event_shape), labels)
    # As large as weights are that have been trained: outputs of a network are of the order of 1.
    return disturb(model, 0.05).eval()


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@torch.no_grad()
def test_an_autocast_changes_log_densities_by_the_rounding_of_networks_alone(name: str) -> None:
    model = family(name)
    x = torch.randn(30, *model.event_shape)

    def density() -> Tensor:
        torch.manual_seed(0)  # of probes
        return model.log_prob(x)

    exact = density()
    with rounding_around_networks():
        assert torch.equal(density(), exact)
    with AUTOCAST():
        rounded = density()
    assert rounded.dtype == torch.float32
    if name.startswith(EXACT):
        assert torch.equal(rounded, exact)
    else:
        # Some networks in a row, each to 1/256 of its numbers.
        assert 0 < (rounded - exact).abs().max() < 0.02 * exact.abs().mean()


@torch.no_grad()
def test_an_autocast_changes_samples_by_the_rounding_of_networks_alone(name: str) -> None:
    model = family(name)

    def draw() -> tuple[Tensor, ...]:
        seeded = partial(torch.Generator().manual_seed, 0)
        torch.manual_seed(0)  # of probes
        x = model.sample(5, generator=seeded())
        return x, *model.sample_with_log_prob(5, generator=seeded())

    exact = draw()
    with rounding_around_networks():
        assert same(draw(), exact)
    with AUTOCAST():
        assert {part.dtype for part in draw()} == {torch.float32}


@pytest.mark.parametrize("name", BIJECTIONS)
@torch.no_grad()
def test_a_bijection_alone_is_rounded_in_its_networks_alone(name: str) -> None:
    shape = SHAPES.get(name, IMAGE) if name in IMAGES else (4,)
    layer = disturb(BIJECTIONS[name](4, 3)).eval()
    low, high = DOMAINS.get(name, (-2.0, 2.0))
    x, context = low + (high - low) * torch.rand(20, *shape), torch.randn(20, 3)
    z, log_det = layer(x, context)
    back, generated = layer.inverse(z, context), layer.generate(z, context)
    with rounding_around_networks():
        assert same(layer(x, context), (z, log_det))
        assert same(layer.inverse(z, context), back)
        assert torch.equal(layer.generate(z, context), generated)
    with AUTOCAST():
        parts = *layer(x, context), *layer.inverse(z, context)
    assert {part.dtype for part in parts} == {torch.float32}


def test_a_layer_of_ones_own_is_protected_too() -> None:
    class Turn(Bijection):
        def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return x @ x.new_tensor([[0.6, -0.8], [0.8, 0.6]]), x.new_zeros(len(x))

        def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return z @ z.new_tensor([[0.6, 0.8], [-0.8, 0.6]]), z.new_zeros(len(z))

    layer, x = Compose([Turn(), disturb(LULinear(2))]), torch.randn(50, 2)
    with AUTOCAST():
        back = layer.generate(layer.encode(x))
    torch.testing.assert_close(back, x)


def test_the_base_density_in_64_dimensions_is_exact_under_an_autocast() -> None:
    x = torch.randn(1000, 64)
    truth = -0.5 * x.double().square().sum(1) - 32 * math.log(2 * math.pi)
    with AUTOCAST():
        log_p = StandardNormal((64,)).log_prob(x)
    torch.testing.assert_close(log_p, truth.float(), atol=1e-4, rtol=0)


def test_networks_compute_in_the_type_that_is_asked_for() -> None:
    seen = []
    model = family("realnvp-lu")
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda _, x, y: seen.append(y.dtype))
    x = torch.randn(3, 64)
    model.log_prob(x)
    with AUTOCAST():
        model.log_prob(x)
        with unrounded():
            model.log_prob(x)
        assert torch.is_autocast_enabled("cpu")
    each = len(seen) // 3
    assert seen == [torch.float32] * each + [torch.bfloat16] * each + [torch.float32] * each


def test_double_precision_stays_under_an_autocast() -> None:
    for name in ("realnvp-lu", "nsf", "vae", "gmm"):
        model = family(name).double()
        x = torch.randn(10, 64).double()
        with AUTOCAST():
            rounded = model.log_prob(x)
        assert torch.equal(rounded, model.log_prob(x))


def test_objectives_are_summed_in_the_type_of_the_data() -> None:
    x, weight, labels = torch.randn(40, 64), torch.rand(40), torch.arange(40) % 3
    batch = Batch(x, labels, weight)
    auto, matching = (family(name, labels=3) for name in ("vae", "flow-matching"))
    assert isinstance(auto, VAE) and isinstance(matching, FlowMatching)  # noqa: PT018

    def losses() -> list[Tensor]:
        torch.manual_seed(0)
        own = {"pairing": Independent(), "times": TIMES}
        return [
            negative_elbo(auto.bound_terms(x, labels), weight),
            flow_matching_loss(matching, batch, **own),
            negative_log_likelihood(auto, batch),
        ]

    exact = losses()
    with rounding_around_networks():
        assert same(losses(), exact)
    with AUTOCAST():
        rounded = losses()
    for one, other in zip(rounded, exact, strict=True):
        assert one.dtype == torch.float32
        assert one != other
        torch.testing.assert_close(one, other, rtol=0.02, atol=0)


def test_weights_are_rounded_anew_after_each_step_of_an_optimiser() -> None:
    """Autocast keeps rounded weights until its outermost context ends."""
    model = family("nice")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, losses = torch.randn(64, 64), []
    with AUTOCAST():
        for _ in range(2):
            loss = negative_log_likelihood(model, Batch(x))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        present = negative_log_likelihood(model, Batch(x)).item()
    with AUTOCAST():
        assert negative_log_likelihood(model, Batch(x)).item() == present
    assert present < losses[1] < losses[0]


COMPILED = """
import torch
from properties import MODELS, disturb

model, x = disturb(MODELS["realnvp-lu"](16), 0.05).eval(), torch.randn(8, 16)
compiled = torch.compile(model.log_prob, backend="aot_eager", fullgraph=True)
with torch.no_grad():
    exact = model.log_prob(x)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), exact)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.log_prob(x)
            torch.testing.assert_close(compiled(x), rounded, rtol=1e-4, atol=0)
        assert (rounded - exact).abs().max() > 1e-3
"""


@pytest.mark.slow
def test_compiled_it_is_the_same() -> None:
    """In a process of its own: the checks of types, which tests make, cannot be compiled."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    subprocess.run([sys.executable, "-c", COMPILED], check=True, env=environment)


def test_function_transforms_pass_through() -> None:
    model, x = family("realnvp-lu"), torch.randn(5, 64)

    def one(x: Tensor) -> Tensor:
        return model.log_prob(x[None])[0]

    with AUTOCAST():
        values = torch.func.vmap(one)(x)
        gradients = torch.func.vmap(torch.func.grad(one))(x)
        derivative = torch.func.jvp(model.log_prob, (x,), (torch.ones_like(x),))[1]
        torch.testing.assert_close(values, model.log_prob(x), rtol=1e-3, atol=0)
    assert {values.dtype, gradients.dtype, derivative.dtype} == {torch.float32}
    torch.testing.assert_close(derivative, gradients.sum(1), rtol=0.05, atol=0.5)


def test_a_conditioner_that_is_no_network_of_genlab_is_cast_back() -> None:
    linear = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    assert torch.equal(output_of(linear, x), linear(x))

    @precision.full_precision
    def applied(x: Tensor) -> Tensor:
        assert not torch.is_autocast_enabled("cpu")
        return output_of(linear, x)

    with AUTOCAST():
        y = applied(x)
        assert torch.is_autocast_enabled("cpu")
        assert torch.equal(y, linear(x).float())
    assert y.dtype == torch.float32
