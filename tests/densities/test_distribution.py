"""Densities as distributions of torch, and in Pyro."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from properties import MODELS
from torch.distributions import (
    Distribution,
    MultivariateNormal,
    biject_to,
    kl_divergence,
)

from genlab.bijections import (
    Argmax,
    Compose,
    Logit,
    LogitTransform,
    OnCoordinates,
    Standardise,
    UnitBox,
)
from genlab.densities import (
    Bernoulli,
    Cylinder,
    Density,
    DiscretisedLogistic,
    StandardNormal,
    StandardUniform,
)
from genlab.models import GMM, NICE, VAE, KRNet, RealNVP

VECTORS = {"context_dim": 3}
LABELS = {"labels": 4}


@pytest.mark.parametrize(
    ("options", "context", "batch"),
    [
        ({}, None, ()),
        (VECTORS, torch.zeros(3), ()),
        (VECTORS, torch.zeros(1, 3), (1,)),
        (VECTORS, torch.randn(2, 5, 3), (2, 5)),
        (VECTORS, torch.tensor([1, 2, 3]), ()),
        (VECTORS, torch.tensor([[1, 2, 3]]), (1,)),
        (LABELS, torch.tensor(2), ()),
        (LABELS, torch.tensor([2]), (1,)),
        (LABELS, torch.randint(4, (2, 5)), (2, 5)),
        (LABELS, torch.randint(4, (0,)), (0,)),
    ],
)
def test_a_row_of_context_is_a_place_of_the_batch(
    options: dict[str, int], context: torch.Tensor | None, batch: tuple[int, ...]
) -> None:
    model = MODELS["nice"](2, **options)
    p = model.distribution(context)
    assert (p.batch_shape, p.event_shape) == (batch, (2,))
    x = p.sample((7,))
    log_prob = p.log_prob(x)
    assert (x.shape, log_prob.shape) == ((7, *batch, 2), (7, *batch))
    if math.prod(batch):
        place = (0,) * len(batch)
        row = None if context is None else context[place]
        alone = model.log_prob(x[(slice(None), *place)], row)
        torch.testing.assert_close(log_prob[(slice(None), *place)], alone)


def test_points_are_broadcast_over_the_batch() -> None:
    model = MODELS["realnvp"](2, **VECTORS)
    context, x = torch.randn(5, 3), torch.randn(2)
    p = model.distribution(context)
    expected = model.log_prob(x.expand(5, 2), context)
    torch.testing.assert_close(p.log_prob(x), expected)
    torch.testing.assert_close(p.log_prob(x.expand(4, 1, 2))[2], expected)
    many = model.distribution(context[0]).expand((6,))
    torch.testing.assert_close(many.log_prob(x), expected[:1].expand(6))
    with pytest.raises(ValueError, match="not broadcastable"):
        p.log_prob(torch.randn(4, 2))
    with pytest.raises(RuntimeError, match="expanded size"):
        p.expand((3,))


@pytest.mark.parametrize(
    ("options", "context", "message"),
    [
        (VECTORS, None, "context: expected vectors"),
        (VECTORS, torch.zeros(5, 2), "context: expected vectors"),
        (LABELS, torch.tensor([4]), "context: expected integer labels from 0 to 3"),
        (LABELS, torch.zeros(2, 2), "context: expected integer labels"),
        ({}, torch.zeros(5, 2), "unconditional"),
    ],
)
def test_a_context_that_does_not_fit_is_refused_at_once(
    options: dict[str, int], context: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MODELS["nice"](2, **options).distribution(context)


def black_and_white() -> VAE:
    return VAE((1, 2, 2), observation=Bernoulli(), network="mlp")


def levels() -> VAE:
    return VAE((1, 2, 2), observation=DiscretisedLogistic(levels=4), network="mlp")


def behind_a_logit() -> Density:
    model = RealNVP((1, 4, 4), layers=2, hidden=[4])
    model.preprocessing = Compose([LogitTransform(0.05), Standardise((1, 4, 4))])
    return model


class Positive(Logit):
    """One coordinate above 0, the other below 3."""

    @property
    def interval(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([0.0, -math.inf]), torch.tensor([math.inf, 3.0])


def half_lines() -> Density:
    model = StandardNormal((2,))
    model.preprocessing = Compose([Positive(), UnitBox([0.0, 5.0], 2)])
    return model


def three_categories() -> Density:
    model = StandardNormal((4,))
    model.preprocessing = OnCoordinates(Argmax(3), [1, 2, 3], 4)
    return model


def turned_image() -> Density:
    return Cylinder((1, 1, 2), circular=[0])


@pytest.mark.parametrize(
    ("make", "inside", "outside"),
    [
        (partial(StandardNormal, (1,)), 1e9, math.nan),
        (partial(StandardUniform, (1,)), 1.7, 1.8),
        (partial(KRNet, 1, bounded=[-10.0, 12.0]), 11.9, 12.1),
        (partial(KRNet, 2, bounded=[[0.0, 1.0], [0.0, 3.0]]), [0.9, 2.9], [1.1, 2.9]),
        (partial(NICE, 2, circular="all"), [3.1, -3.1], [3.2, 0.0]),
        (partial(NICE, 2, circular=[1]), [1e9, 3.1], [0.0, -3.2]),
        (partial(GMM, 2, components=1, circular=[0]), [3.1, 1e9], [-3.2, 0.0]),
        (black_and_white, 1.0, 0.5),
        (levels, 1.0, -0.1),
        (behind_a_logit, 1.05, 1.06),
        (turned_image, [3.1, 1e9], [3.2, 0.0]),
        (three_categories, [1e9, 2.9, 0.1, 0.9], [0.0, 3.1, 0.1, 0.9]),
        (three_categories, [0.0, 0.9, 0.1, 0.9], [0.0, 2.9, 1.1, 0.9]),
    ],
)
def test_the_support_is_where_the_density_is(make, inside, outside) -> None:  # type: ignore[no-untyped-def]
    model = make()
    p = model.distribution()
    assert p.support.event_dim == len(model.event_shape)
    assert p.support.check(p.sample((50,))).all()
    first, second = (torch.tensor(x).expand(2, *model.event_shape) for x in (inside, outside))
    assert p.log_prob(first).isfinite().all()
    with pytest.raises(ValueError, match="within the support"):
        p.log_prob(second)
    model.distribution(validate_args=False).log_prob(second)


@pytest.mark.parametrize(
    "model",
    [KRNet(2, bounded=[[0.0, 1.0], [-3.0, 3.0]]), NICE(2, circular="all"), NICE(2, circular=[1])],
)
def test_there_is_a_way_from_the_whole_space_into_the_support(model: Density) -> None:
    support = model.distribution().support
    way, z = biject_to(support), torch.randn(50, 2)
    assert support.check(way(z)).all()
    torch.testing.assert_close(way.inv(way(z)), z, atol=1e-3, rtol=1e-3)


def test_intervals_of_several_layers_meet() -> None:
    support = half_lines().distribution().support
    x = torch.tensor([[0.1, 2.9], [4.9, 0.1], [-0.1, 1.0], [1.0, 3.1], [5.1, 1.0]])
    assert support.check(x).tolist() == [True, True, False, False, False]
    model = StandardNormal((2,))
    model.preprocessing = Positive()
    kinds = model.distribution().support.cseq
    assert [str(kind) for kind in kinds] == ["GreaterThan(lower_bound=0.0)",
                                             "LessThan(upper_bound=3.0)"]  # fmt: skip


def test_the_integral_over_the_support_is_one() -> None:
    support = KRNet(2, bounded=[[0.0, 1.0], [-3.0, 3.0]])
    torch.nn.init.normal_(next(support.parameters()), std=0.3)
    p = support.distribution()
    (low, high) = (p.support.base_constraint.lower_bound, p.support.base_constraint.upper_bound)
    u = torch.cartesian_prod(*[(torch.arange(100) + 0.5) / 100] * 2)
    mass = p.log_prob(low + (high - low) * u).exp().mean() * (high - low).prod()
    assert mass.item() == pytest.approx(1, abs=2e-3)


def test_samples_follow_the_seed_of_torch_and_carry_gradients_where_they_say_so() -> None:
    model = MODELS["realnvp"](2)
    p = model.distribution()
    torch.manual_seed(1)
    x = p.rsample((3,))
    torch.manual_seed(1)
    torch.testing.assert_close(x, p.sample((3,)))
    assert x.requires_grad
    model.base = MODELS["gmm"](2)
    assert not model.distribution().has_rsample
    with pytest.raises(NotImplementedError, match="GMM has no rsample"):
        model.distribution().rsample()


def test_it_takes_its_place_among_the_distributions_of_torch() -> None:
    """A flow of the identity is the normal distribution, inside what torch makes of it too."""
    p = StandardNormal((2,)).distribution()
    assert isinstance(p, Distribution)
    truth = MultivariateNormal(torch.zeros(2), torch.eye(2))
    x = torch.randn(5, 3, 2)
    torch.testing.assert_close(p.log_prob(x), truth.log_prob(x))
    shifted = [
        torch.distributions.TransformedDistribution(
            of, torch.distributions.AffineTransform(1.0, 2.0, event_dim=1)
        )
        for of in (p, truth)
    ]
    torch.testing.assert_close(*(of.log_prob(x) for of in shifted))
    many = [torch.distributions.Independent(of.expand((5, 3)), 1) for of in (p, truth)]
    torch.testing.assert_close(*(of.log_prob(x) for of in many))
    mixed = [
        torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(torch.ones(3)), of.expand((3,))
        )
        for of in (p, truth)
    ]
    torch.testing.assert_close(*(of.log_prob(x) for of in mixed))
    for unknown in ("entropy", "perplexity"):
        with pytest.raises(NotImplementedError):
            getattr(p, unknown)()
    for unknown in ("mean", "variance", "stddev"):
        with pytest.raises(NotImplementedError):
            getattr(p, unknown)
    with pytest.raises(NotImplementedError):
        kl_divergence(p, truth)
    assert repr(p) == "DensityDistribution(StandardNormal, batch_shape=[], event_shape=[2])"
