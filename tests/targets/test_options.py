"""Options of the targets: their bounds, their entropies, and the files that name them."""

from __future__ import annotations

import inspect
import math
import typing
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from genlab import targets
from genlab.bounds import Bound
from genlab.config import config_dir
from genlab.targets import ExactTarget

CLASSES = [
    value
    for name in targets.__all__
    if inspect.isclass(value := getattr(targets, name))
    and not inspect.isabstract(value)
    and value is not targets.Target
]

FILES = [
    path
    for path in sorted((config_dir() / "data").glob("*.yaml"))
    if OmegaConf.select(OmegaConf.load(path), "target._target_")
]


@pytest.mark.parametrize("target", CLASSES, ids=lambda target: target.__name__)
def test_numbers_state_their_bounds(target: type) -> None:
    hints = typing.get_type_hints(target.__init__, include_extras=True)
    numbers = {name: hint for name, hint in hints.items() if name not in ("return", "curvature")}
    for name, hint in numbers.items():
        plain = typing.get_args(hint)[0] if typing.get_args(hint) else hint
        if plain in (int, float):
            assert any(isinstance(mark, Bound) for mark in hint.__metadata__), name


@pytest.mark.parametrize("target", CLASSES, ids=lambda target: target.__name__)
def test_a_file_in_configs_makes_it(target: type) -> None:
    named = [OmegaConf.load(path).target._target_ for path in FILES]
    assert named.count(f"genlab.targets.{target.__name__}") == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_states_every_default_as_the_constructor_does(path: Path) -> None:
    config = OmegaConf.create({"data": OmegaConf.load(path)})
    target = getattr(targets, config.data.target._target_.rpartition(".")[2])
    parameters = inspect.signature(target).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    # Indexing fails for what the file leaves out, and follows interpolations.
    assert {name: config.data.target[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    "target",
    [
        targets.Moons(noise=0.5),
        targets.Moons(noise=0.04),
        targets.Moons(noise=0.6, scale=3.0),
        targets.SwissRoll(noise=0.05),
        targets.Rings(noise=0.3),
        targets.FourCircles(noise=0.04),
        targets.EightGaussians(radius=1.0, std=0.5),
        targets.Diamond(modes=4, width=1.0, std=0.5),
        targets.Pinwheel(arms=4, rate=0.6),
        targets.TwoSpirals(noise=0.25),
        targets.Sine(noise=0.1),
        targets.Banana(width=0.5, curvature=2.0),
        targets.Gaussian(3, correlation=-0.5),
        targets.Funnel(3, scale=1.0),
    ],
    ids=lambda target: type(target).__name__,
)
def test_entropy_follows_the_options(target: ExactTarget) -> None:
    x = target.sample(50_000, generator=torch.Generator().manual_seed(0))
    surprise = -target.log_prob(x).double()
    error = surprise.std() / math.sqrt(len(x))
    assert abs(surprise.mean() - target.entropy) < 4 * error


def test_entropy_in_the_limit_of_separate_gaussians() -> None:
    separate = math.log(2 * math.pi * math.e * 0.01**2)
    assert targets.EightGaussians(std=0.01).entropy == pytest.approx(math.log(8) + separate)
    assert targets.Diamond(std=0.01).entropy == pytest.approx(math.log(400) + separate)


def test_entropy_is_none_where_it_would_take_long() -> None:
    assert targets.Moons(noise=0.001).entropy is None
    assert targets.TwoSpirals(noise=0.001).entropy is None


def test_a_thin_curve_has_no_beads() -> None:
    """Along a thin moon the density must not show the nodes that it is summed over."""
    target = targets.Moons(noise=0.01)
    t = torch.linspace(0.5, 2.5, 5001, dtype=torch.float64)
    along = torch.stack((2 * t.cos() - 1, 2 * t.sin() - 0.2), 1)
    log_p = target.log_prob(along)
    expected = -math.log(2 * 2 * math.pi * math.sqrt(2 * math.pi) * 0.01)
    assert (log_p - expected).abs().max() < 1e-3
