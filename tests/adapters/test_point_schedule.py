"""The schedule of points: when they change, and that weighed residuals estimate the same loss."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import torch

from genlab.adapters import PointSchedule
from genlab.errors import UserError
from genlab.pde import Box
from genlab.samplers import Points, Sampler, UniformSampler


class Ramp(Sampler):
    """Points of the density ``q(x) = x / 2`` on [0, 2], by inversion."""

    def _draw(self) -> Points:
        x = 2 * torch.rand(self.n_points, 1, generator=self._generator("ramp")).sqrt()
        return Points(x, (x[:, 0] / 2).log().requires_grad_())

    def _first(self) -> Points:
        return self._draw()

    def _refresh(self, points, indicator) -> Points:
        indicator(points.x)
        return self._draw()

    def _redraw(self, points) -> Points:
        return self._draw()


def ramp(n_points: int = 4, **settings: object) -> PointSchedule:
    return PointSchedule(Ramp(domain=Box([(0, 2)]), n_points=n_points), **settings)


def squares(x):
    return x[:, 0].square()


def test_weighed_residuals_estimate_the_loss_of_the_domain() -> None:
    schedule = ramp(200_000)
    x = schedule.begin(squares)[:, 0]
    # r = x^2, whose square has the mean 16 / 5 over [0, 2], and 32 / 6 under q.
    weighed = (schedule.weights * x.square()).square()
    assert weighed.mean() == pytest.approx(16 / 5, abs=5 * float(weighed.std()) / len(x) ** 0.5)
    schedule.weigh = False
    plain = (schedule.weights * x.square()).square()
    assert plain.mean() == pytest.approx(32 / 6, abs=5 * float(plain.std()) / len(x) ** 0.5)


def test_no_gradient_flows_through_the_density() -> None:
    schedule = ramp()
    schedule.begin(squares)
    assert schedule.points.log_q.requires_grad
    assert not schedule.weights.requires_grad


def test_points_without_a_density_count_the_same() -> None:
    schedule = ramp()
    schedule.begin(squares)
    schedule.points = Points(schedule.points.x, None)
    assert schedule.weights.tolist() == [1.0] * 4


def test_points_change_when_it_is_time() -> None:
    looks = []
    schedule = ramp(refresh=6, redraw=2)
    first = schedule.begin(looks.append)
    changed = [schedule.step(looks.append) for _ in range(8)]
    assert changed == [False, True] * 4
    assert len(looks) == 1
    assert schedule.sampler.round == 2
    # A second training goes on where the first one stopped.
    assert schedule.begin(looks.append) is schedule.points.x
    assert not torch.equal(schedule.points.x, first)


def test_points_stay_between_looks() -> None:
    schedule = ramp(refresh=3, redraw=None)
    schedule.begin(squares)
    assert [schedule.step(squares) for _ in range(6)] == [False, False, True] * 2


def test_uniform_points_count_one() -> None:
    schedule = PointSchedule(UniformSampler(domain=Box([(0, 3)]), n_points=5, resample=True))
    schedule.begin(squares)
    assert schedule.weights.tolist() == pytest.approx([1.0] * 5)


def test_a_wrong_number_is_refused() -> None:
    with pytest.raises(ValueError, match="refresh=0: expected an integer, at least 1"):
        ramp(refresh=0)


def test_the_room_imports_no_other_library() -> None:
    code = "import sys, genlab.adapters; print({'deepxde', 'pina'} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


@pytest.mark.parametrize("name", ["deepxde", "pina"])
def test_a_missing_library_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"genlab.adapters.{name}", raising=False)
    with pytest.raises(UserError, match=rf"{name}: not installed; .*genlab\[{name}\]"):
        import_module(f"genlab.adapters.{name}")
