"""Every family on images: the properties that vectors have, on samples of shape [1, 4, 4]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from properties import IMAGE_MODELS, IMAGE_SHAPE, disturb, jacobian, krnet, nsf, realnvp

from genlab.bijections import Standardise
from genlab.densities import Density
from genlab.models import NSF, ContinuousFlow, Flow, RealNVP

CONTEXTS = {"none": {}, "vector": {"context_dim": 3}, "label": {"labels": 4}}
SHAPE = IMAGE_SHAPE
FAMILIES = IMAGE_MODELS
# Those of an ODE have the vectors' layer and a test of their network.
FLOWS = [name for name in FAMILIES if name not in ("gmm", "vae", "cnf", "flow-matching")]


def make(name: str, context: str = "none") -> Density:
    model = FAMILIES[name](SHAPE, **CONTEXTS[context])
    model.preprocessing = Standardise(SHAPE)
    model.initialise(2 * torch.randn(300, *SHAPE) + 1, rows(300, context))
    return disturb(model, 0.1).double().eval()


def rows(n: int, context: str) -> torch.Tensor | None:
    if context == "vector":
        return torch.randn(n, 3)
    return torch.randint(4, (n,)) if context == "label" else None


@pytest.mark.parametrize("name", FLOWS)
def test_log_prob_is_the_change_of_variables_by_the_autograd_jacobian(name: str) -> None:
    model = make(name)
    assert isinstance(model, Flow)
    x = 2 * torch.randn(3, *SHAPE).double() + 1
    z, _ = model.bijection(x)
    assert z.shape == x.shape
    base = -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)
    truth = base + torch.linalg.slogdet(jacobian(lambda x: model.bijection(x)[0], x)).logabsdet
    torch.testing.assert_close(model.log_prob(x), truth, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", FAMILIES)
def test_samples_log_densities_and_gradients(name: str, context: str) -> None:
    model, c = make(name, context), rows(6, context)
    x, log_prob = model.sample_with_log_prob(6, c)
    assert x.shape == (6, *SHAPE)
    assert log_prob.dtype == x.dtype == torch.float64
    again = model.log_prob(x.detach(), c)
    if model.likelihood == "exact":
        # What the solver's tolerance leaves.
        tolerance = 1e-2 if isinstance(model, ContinuousFlow) else 1e-6
        torch.testing.assert_close(log_prob, again, atol=10 * tolerance, rtol=tolerance)
    again.mean().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", FAMILIES)
def test_the_context_changes_the_answer(name: str) -> None:
    model, x = make(name, "label"), torch.randn(4, *SHAPE).double()
    first, second = torch.tensor([0]), torch.tensor([3])
    assert (model.log_prob(x, first) != model.log_prob(x, second)).all()
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    a, b = (
        model.sample(3, label, generator=generator)
        for label, generator in zip((first, second), generators, strict=True)
    )
    assert not torch.equal(a, b)


@pytest.mark.parametrize(
    ("family", "shape", "options", "message"),
    [
        (realnvp, (4,), {"scales": 1}, r"expected images, .* got \[4\]; scales=0"),
        (realnvp, (1, 4, 6), {"scales": 2}, "multiples of 4, got 4 and 6"),
        (nsf, SHAPE, {"scales": 1}, "expected variant=coupling, free_half=false"),
        (krnet, SHAPE, {"bounded": [0.0, 1.0]}, "bounded: a box confines vectors"),
    ],
)
def test_mistakes_are_named(
    family: Callable[..., RealNVP | NSF], shape: tuple[int, ...], options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        family(shape, **options)
