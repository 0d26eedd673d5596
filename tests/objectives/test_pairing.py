"""Couplings: their margins, and that the optimal one is optimal."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from genlab.nn import wrap
from genlab.objectives import Independent, OptimalTransport, Sinkhorn

PAIRINGS = {
    "independent": Independent(),
    "optimal_transport": OptimalTransport(rows=16),
    "sinkhorn": Sinkhorn(rows=16, regularisation=0.05, iterations=300),
}


def cost(x0, x1):
    return (x0 - x1).square().flatten(1).sum(1).sum().item()


@pytest.fixture(params=PAIRINGS)
def pairing(request):
    return PAIRINGS[request.param]


@pytest.mark.parametrize("shape", [(2,), (1, 3, 3)])
def test_sources_are_drawn_from_those_given_block_by_block(pairing, shape):
    x0, x1 = torch.randn(40, *shape), torch.randn(40, *shape)
    found = pairing.pair(x0, x1)
    assert found.shape == x0.shape
    for start in range(0, 40, 16):
        given = {tuple(row.flatten().tolist()) for row in x0[start : start + 16]}
        assert {tuple(row.flatten().tolist()) for row in found[start : start + 16]} <= given


def test_the_exact_plan_is_a_permutation_of_least_cost():
    x0, x1 = torch.randn(60, 3), torch.randn(60, 3)
    found = OptimalTransport(rows=60).pair(x0, x1)
    distance = torch.cdist(x1, x0).square().numpy()
    rows, columns = linear_sum_assignment(distance)
    assert cost(found, x1) == pytest.approx(distance[rows, columns].sum(), rel=1e-5)
    assert torch.equal(found.sort(0).values, x0.sort(0).values)


@pytest.mark.parametrize("name", ["optimal_transport", "sinkhorn"])
@pytest.mark.parametrize("both", [False, True])
def test_far_from_the_origin_the_pairs_are_the_same(name, both):
    # Of numbers that single precision keeps at this distance.
    x0, x1 = (torch.randn(2, 64, 2) * 64).round() / 64
    offset, sources = torch.tensor(8192.0), torch.Generator()
    near = PAIRINGS[name].pair(x0, x1, generator=sources.manual_seed(0))
    away = x0 + offset if both else x0
    far = PAIRINGS[name].pair(away, x1 + offset, generator=sources.manual_seed(0))
    assert torch.equal(far - offset if both else far, near)


def test_sinkhorns_plan_has_its_margins_and_comes_near_the_exact_one():
    x0, x1 = torch.randn(200, 2).double(), 3 + torch.randn(200, 2).double()
    distance = torch.cdist(x1, x0).square()
    mass = torch.rand(200).double()
    mass = mass / mass.sum()
    plan = Sinkhorn(rows=200, regularisation=0.02, iterations=500)._plan(mass, distance)
    torch.testing.assert_close(plan.sum(1), mass, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(plan.sum(0), torch.full((200,), 1 / 200).double(), atol=1e-4, rtol=0)
    exact = OptimalTransport(rows=200)._plan(mass, distance)
    best, other = ((p * distance).sum().item() for p in (exact, plan))
    assert best <= other < 1.1 * best


@pytest.mark.parametrize("name", ["optimal_transport", "sinkhorn"])
def test_under_weights_the_sources_keep_their_distribution(name):
    """Weighted by the data's weights, each source point counts as often as any other."""
    x0 = torch.linspace(-1, 1, 8)[:, None]
    x1, weight = torch.randn(8, 1), torch.tensor([5.0, 1, 1, 1, 1, 1, 0, 3])
    counts = torch.zeros(8)
    draws = 150
    for _ in range(draws):
        found = PAIRINGS[name].pair(x0, x1, weight)
        which = (found - x0.T).abs().argmin(1)
        counts.index_add_(0, which, weight)
    square = weight.square().sum() * draws
    expected = weight.sum() * draws / 8
    statistic = ((counts - expected) ** 2 / (square / 8)).sum().item()
    assert statistic < chi2.ppf(0.999, 7)


def test_without_any_weight_there_is_a_source_for_each(pairing):
    x0, x1, weight = torch.randn(20, 2), torch.randn(20, 2), torch.zeros(20)
    weight[:16] = torch.rand(16)
    assert pairing.pair(x0, x1, weight).isfinite().all()


def test_under_each_context_the_sources_are_its_own(pairing):
    """Near or far: what starts a class is no part of the source that lies at its side."""
    label = torch.arange(30) % 3
    context = torch.eye(3)[label]
    x0, x1 = torch.randn(30, 2), 10 * context[:, :2] + torch.randn(30, 2)
    found = pairing.pair(x0, x1, None, context)
    for c in range(3):
        given = {tuple(row) for row in x0[label == c].tolist()}
        assert {tuple(row) for row in found[label == c].tolist()} <= given
    distance = cost(found, x1)
    if isinstance(pairing, OptimalTransport):
        assert torch.equal(found.sort(0).values, x0.sort(0).values)
        assert distance < cost(x0, x1)
    # A context of its own leaves a row with its own source.
    assert torch.equal(pairing.pair(x0, x1, None, torch.randn(30, 2)), x0)


def test_half_precision_is_coupled_too(pairing):
    x0, x1 = torch.randn(20, 2).bfloat16(), torch.randn(20, 2).bfloat16()
    found = pairing.pair(x0, x1, torch.rand(20).bfloat16(), torch.ones(20, 1).bfloat16())
    assert found.dtype == torch.bfloat16


def test_a_seed_decides(pairing):
    x0, x1, weight = torch.randn(20, 2), torch.randn(20, 2), torch.rand(20)
    first, second = (
        pairing.pair(x0, x1, weight, generator=torch.Generator().manual_seed(4)) for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["optimal_transport", "sinkhorn"])
def test_angles_are_matched_by_the_shorter_way_round(name):
    # Across the cut from each other, which the line takes for far.
    x1 = torch.tensor([[3.1], [0.1], [-3.0]])
    x0 = torch.tensor([[-3.1], [0.0], [3.0]])
    pairing = {"optimal_transport": OptimalTransport(rows=3)}.get(
        name, Sinkhorn(rows=3, regularisation=0.002, iterations=300)
    )
    found = pairing.pair(x0, x1, circular=[0])
    ways = wrap(found - x1).abs()
    assert ways.max() < 0.3
    assert torch.equal(found.sort(0).values, x0.sort(0).values)


def test_the_plan_of_angles_is_the_cheapest_on_the_torus():
    x0, x1 = (wrap(2 * torch.randn(40, 2)) for _ in range(2))
    found = OptimalTransport(rows=40).pair(x0, x1, circular=[0, 1])
    distance = wrap(x1[:, None] - x0).square().sum(2).numpy()
    rows, columns = linear_sum_assignment(distance)
    least = distance[rows, columns].sum()
    assert wrap(found - x1).square().sum().item() == pytest.approx(least, rel=1e-5)
