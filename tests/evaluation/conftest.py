"""A flow, a density and a target with every answer known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.bijections import Bijection, Compose
from genlab.models import Flow
from genlab.targets.target import Target


class Shear(Bijection):
    """``z = (x - mean) / scale``, coordinate by coordinate."""

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))

    def forward(self, x, context=None):
        z = (x - self.mean) / self.scale
        return z, -self.scale.log().sum().expand(len(x))

    def inverse(self, z, context=None):
        x = z * self.scale + self.mean
        return x, self.scale.log().sum().expand(len(z))


class AffineFlow(Flow):
    """``N(mean, diag(scale^2))`` as a flow of two layers; a context row is added to the mean."""

    def __init__(self, mean, scale, *, context_dim=0, labels=0):
        super().__init__((len(mean),), context_dim=context_dim, labels=labels)
        ones, zeros = torch.ones(len(mean)), torch.zeros(len(mean))
        self.layers = Compose([Shear(torch.tensor(mean), ones), Shear(zeros, torch.tensor(scale))])
        self.dropout = torch.nn.Dropout(0.5)
        self.seen = []

    def _log_prob(self, x, context):
        self.seen.append((len(x), self.training, torch.is_grad_enabled()))
        z, log_det = self.bijection(x if context is None else x - context)
        return self.dropout(self.base.log_prob(z) + log_det)

    def _sample(self, n, context, generator):
        self.seen.append((n, self.training, torch.is_grad_enabled()))
        x = self.bijection.generate(self.base.sample(n, generator=generator))
        return x if context is None else x + context


class NoisyFlow(AffineFlow):
    """The same, with a likelihood that is an unbiased estimate."""

    likelihood = "estimate"

    def _log_prob(self, x, context):
        return super()._log_prob(x, context) + torch.randn(len(x))


class GaussianTarget(Target):
    """``N(mean, diag(scale^2))``."""

    def __init__(self, mean, scale):
        super().__init__()
        self.event_shape = (len(mean),)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.entropy = (
            len(mean) / 2 * math.log(2 * math.pi * math.e) + self.scale.log().sum().item()
        )

    def sample(self, n, *, generator=None):
        noise = torch.randn(n, len(self.mean), generator=generator)
        return noise * self.scale.float() + self.mean.float()

    def log_prob(self, x):
        normal = torch.distributions.Normal(self.mean, self.scale)
        return normal.log_prob(x).sum(1)


class SampleTarget(GaussianTarget):
    """The same, known by its samples only."""

    log_prob = Target.log_prob

    def __init__(self, mean, scale):
        super().__init__(mean, scale)
        self.entropy = None


@pytest.fixture(scope="session")
def quick():
    """Measured and drawn as users have it."""


@pytest.fixture
def affine_flow():
    return AffineFlow


@pytest.fixture
def noisy_flow():
    return NoisyFlow


@pytest.fixture
def gaussian_target():
    return GaussianTarget


@pytest.fixture
def sample_target():
    return SampleTarget


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def global_state():
    """Fails a test that moves torch's global random state."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)
