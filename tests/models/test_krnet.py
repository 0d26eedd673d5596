"""KRnet: its blocks are triangular, and in a box it starts from the uniform density."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from properties import MODELS, disturb
from small import SMALL
from torch.func import jacrev, vmap

import genlab
from genlab.bijections import CDFLayer, Freeze
from genlab.errors import UserError
from genlab.models import KRNet

BOX = [[-1.0, 1.0], [0.0, 3.0], [-0.1, 0.7]]
LOG_VOLUME = math.log(2 * 3 * 0.8)


def krnet(dim: int, **options: object) -> KRNet:
    return MODELS["krnet"](dim, **options)


def blocks(model: KRNet) -> list[Freeze]:
    return [layer for layer in model.layers if isinstance(layer, Freeze)]


@pytest.mark.parametrize(
    ("dim", "groups", "active"),
    [
        (1, 3, [1]),
        (2, 3, [2, 1]),
        (5, 5, [5, 4, 3, 2, 1]),
        (5, 3, [5, 4, 2]),
        (7, 1, [7]),
        (100, 4, [100, 75, 50, 25]),
    ],
)
def test_blocks_act_on_fewer_and_fewer_coordinates(
    dim: int, groups: int, active: list[int]
) -> None:
    model = krnet(dim, groups=groups)
    assert [block.active for block in blocks(model)] == active
    assert isinstance(list(model.layers)[-1], CDFLayer)


@pytest.mark.parametrize("context_dim", [0, 2])
def test_the_jacobian_of_each_block_is_triangular(context_dim: int) -> None:
    model = disturb(krnet(5, groups=5, context_dim=context_dim), 0.3).double()
    x = torch.randn(4, 5).double()
    c = torch.randn(4, context_dim).double() if context_dim else None

    def jacobian(layer: torch.nn.Module) -> torch.Tensor:
        one = lambda row, c: layer(row[None], None if c is None else c[None])[0][0]  # noqa: E731
        return vmap(jacrev(one), in_dims=(0, None if c is None else 0))(x, c)

    assert len(blocks(model)) == 5
    for block in blocks(model):
        k, matrix = block.active, jacobian(block)
        assert (matrix[:, :k, :k] != 0).all()
        assert (matrix[:, :k, k:] == 0).all()
        torch.testing.assert_close(matrix[:, k:], torch.eye(5).double()[k:].expand(4, -1, -1))
    # The triangle is in the blocks: each sees the mixture that the one before it made.
    assert (jacobian(model.layers) != 0).all()


@pytest.mark.parametrize("base", ["logistic", "normal", None])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_in_a_box_it_starts_uniform_also_after_seeing_data(
    base: str | None, dtype: torch.dtype, tolerance: float
) -> None:
    model = krnet(3, bounded=BOX, base=base)
    low, high = torch.tensor(BOX).T
    model.initialise(low + (high - low) * torch.rand(500, 3) ** 3)
    model.to(dtype)
    low, high = torch.tensor(BOX, dtype=dtype).T
    x = torch.cat([low + (high - low) * torch.rand(500, 3, dtype=dtype), low[None], high[None]])
    truth = torch.full((len(x),), -LOG_VOLUME, dtype=dtype)
    torch.testing.assert_close(model.log_prob(x), truth, atol=tolerance, rtol=0)
    u = (model.sample(4000) - low) / (high - low)
    torch.testing.assert_close(u.mean(0), torch.full((3,), 0.5, dtype=dtype), atol=0.02, rtol=0)
    torch.testing.assert_close(u.var(0), torch.full((3,), 1 / 12, dtype=dtype), atol=0.01, rtol=0)


@pytest.mark.parametrize("base", ["logistic", "normal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_in_a_box_samples_lie_strictly_inside_however_far_the_latent(
    base: str, dtype: torch.dtype
) -> None:
    model = disturb(krnet(3, bounded=BOX, base=base), 1.0).to(dtype)
    low, high = torch.tensor(BOX, dtype=dtype).T
    with torch.no_grad():
        x = model.sample(5000)
        log_prob = model.log_prob(x)
    assert ((x > low) & (x < high)).all()
    assert log_prob.isfinite().all()


@pytest.mark.parametrize("base", ["logistic", "normal"])
def test_outside_the_box_there_is_no_density_and_no_infinite_gradient(base: str) -> None:
    model = disturb(krnet(3, bounded=BOX, base=base), 0.3)
    x = torch.tensor([[0.0, 1.0, 0.0], [1.1, 1.0, 0.0], [0.0, -1e6, 1e30]]).requires_grad_()
    log_prob = model.log_prob(x)
    log_prob.sum().backward()
    assert log_prob[0].isfinite()
    assert log_prob[1:].isneginf().all()
    for name, parameter in [*model.named_parameters(), ("x", x)]:
        assert parameter.grad.isfinite().all(), name
    assert model.log_prob(torch.full((1, 3), math.nan)).isnan()


def test_other_flows_can_be_confined_to_a_box() -> None:
    model = MODELS["realnvp-actnorm"](3)
    model.confine(BOX, base="logistic")
    low, high = torch.tensor(BOX).T
    x = low + (high - low) * torch.rand(100, 3)
    model.initialise(x)
    torch.testing.assert_close(
        model.log_prob(x), torch.full((100,), -LOG_VOLUME), atol=1e-5, rtol=0
    )
    sample = disturb(model).sample(1000)
    assert ((sample > low) & (sample < high)).all()


@pytest.mark.parametrize("context", [{"context_dim": 2}, {"labels": 3}])
def test_on_the_line_it_depends_on_the_context(context: dict[str, int]) -> None:
    model = disturb(krnet(1, **context))
    rows = torch.eye(3) if "context_dim" not in context else torch.randn(3, 2)
    rows = torch.arange(3) if "labels" in context else rows
    log_prob = model.log_prob(torch.zeros(3, 1), rows)
    assert len(log_prob.unique()) == 3
    x = torch.linspace(-40, 40, 20_001)[:, None]
    for row in rows:
        mass = torch.trapezoid(model.log_prob(x, row[None]).exp(), x[:, 0])
        assert mass.item() == pytest.approx(1, abs=1e-3)


def test_a_run_in_a_box_keeps_to_it(tmp_path: Path) -> None:
    options = ("model=krnet", "data=checkerboard", f"outputs={tmp_path}", *SMALL)
    experiment = genlab.experiment(*options, "model.bounded=[-4,4]")
    metrics = experiment.fit()
    assert metrics["test/nll"] == pytest.approx(math.log(64), abs=0.5)
    assert experiment.model.sample(1000).abs().max() < 4
    again = genlab.load(experiment.directory.path)
    x = experiment.data.test.x[:20]
    torch.testing.assert_close(
        again.model.log_prob(x), experiment.model.log_prob(x), atol=0, rtol=0
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.bounded=[1,-1]", r"model\.bounded=\[1, -1\]: expected \[low, high\] with low"),
        ("model.bounded=[[0,1]]", r"model\.bounded=.*such a pair for each of 2 coordinates"),
        ("model.bounded=4", r"model\.bounded=4: expected \[low, high\] with low"),
        ("model.bins=7", r"model\.bins=7: expected an even number"),
        ("model.alpha=1", r"model\.alpha=1: expected a number, greater than 0 and less than 1"),
        ("model.base=logistik", r"did you mean 'logistic'\?"),
        ("model.groups=0", r"model\.groups=0: expected an integer, at least 1"),
    ],
)
def test_mistakes_are_named(option: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        genlab.experiment("model=krnet", option)


def test_data_that_leave_the_box_are_named_before_training(tmp_path: Path) -> None:
    experiment = genlab.experiment("model=krnet", "model.bounded=[-1,1]", f"outputs={tmp_path}")
    with pytest.raises(UserError, match=r"model\.bounded: coordinate 1 of the data reaches from -"):
        experiment.fit()


@pytest.mark.parametrize("base", ["logistic", "normal"])
@pytest.mark.parametrize("box", [[0.0, 1.0], [-10.0, 12.0], [0.1, 0.7]])
def test_single_precision_costs_nothing_at_the_edge(base: str, box: list[float]) -> None:
    # Strong layers, which bring most samples to an edge.
    model = disturb(krnet(2, bounded=box, base=base), 0.5).eval()
    with torch.no_grad():
        x = model.sample(100_000)
        assert ((x > model.preprocessing.box.low) & (x < model.preprocessing.box.high)).all()
        single = model.log_prob(x).double()
        error = (single - model.double().log_prob(x.double())).abs()
    assert error.max() < 5e-5
    assert error.quantile(0.999) < 3e-5
