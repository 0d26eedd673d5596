"""Steps in time: their order, what they conserve, and how their number is chosen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.errors import RunError
from genlab.fields import (
    NavierStokes,
    PowerLaw,
    advance,
    choose_steps,
    navier_stokes,
    runge_kutta,
    stable_steps,
)
from genlab.targets import GaussianField


def turbulent(n: int, rows: int) -> Tensor:
    return GaussianField(n, spectrum=PowerLaw(rms=3.0)).sample(rows)[:, 0].double()


def test_a_step_is_of_fourth_order() -> None:
    generator = torch.randn(4, 4, dtype=torch.float64)
    y = torch.randn(4, dtype=torch.float64)
    errors = [
        (
            runge_kutta(lambda state: generator @ state, y, torch.tensor(h, dtype=torch.float64))
            - torch.linalg.matrix_exp(h * generator) @ y
        )
        .abs()
        .max()
        for h in (0.02, 0.01)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**5, rel=0.1)


def test_rows_have_times_of_their_own_and_do_not_touch_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = NavierStokes(9, viscosity=1e-2)
    monkeypatch.setattr(navier_stokes, "CACHED", 2 * flow.points**2)
    w = turbulent(9, 5)
    times = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
    together = advance(flow, w, times, steps=20)
    for row, time in enumerate(times.tolist()):
        alone = advance(flow, w[row : row + 1], time, steps=20)
        torch.testing.assert_close(together[row : row + 1], alone)


def test_enstrophy_is_conserved_to_the_order_of_the_steps() -> None:
    flow, w = NavierStokes(17, viscosity=0.0), turbulent(17, 16)

    def drift(steps: int) -> Tensor:
        end = advance(flow, w, 1.0, steps=steps)
        return (end.square().mean((1, 2)) / w.square().mean((1, 2)) - 1).abs().mean()

    drifts = [drift(steps) for steps in (50, 100, 200)]
    assert drifts[1] < 1e-6
    assert drifts[0] > 25 * drifts[1] > 25 * 16 * drifts[2]


def test_stable_steps_are_stable_and_not_far_from_the_fewest() -> None:
    viscosity = 0.05  # the decay of the highest modes bounds the step
    flow, w = NavierStokes(17, viscosity=viscosity), 1e-3 * turbulent(17, 2)
    steps = stable_steps(flow, w, 10.0)
    assert steps == math.ceil(10 * viscosity * 128 / 2.7)
    assert advance(flow, w, 10.0, steps=steps).abs().max() < w.abs().max()
    assert not advance(flow, w, 10.0, steps=steps // 2).abs().max() < 1e3 * w.abs().max()


def test_fast_flow_takes_more_steps() -> None:
    flow, w = NavierStokes(17, viscosity=1e-3), turbulent(17, 4)
    slow, fast = stable_steps(flow, w, 1.0), stable_steps(flow, 10 * w, 1.0)
    assert fast == pytest.approx(10 * slow, rel=0.1)


def test_steps_are_chosen_by_their_error() -> None:
    tried = []

    def error(steps: int) -> float:
        tried.append(steps)
        return math.nan if steps < 10 else 50 * steps**-4.0

    steps = choose_steps(error, least=3, tolerance=1e-4)
    assert error(steps) <= 1e-4 < error(steps // 2)
    assert len(tried) < 9
    with pytest.raises(RunError, match="choose a smaller time"):
        choose_steps(lambda steps: 1.0, least=1, tolerance=1e-9)


def log_det_of_steps(flow: NavierStokes, w: Tensor, time: float, steps: int) -> Tensor:
    """``log |det|`` of the discrete map, each field with its tangents in all directions.

    The right-hand side is quadratic, so that central differences of any width are exact.
    """
    n = flow.size
    y = flow.transform(w[None])
    tangents = flow.transform(torch.eye(n * n, dtype=torch.float64).view(-1, n, n))

    def tangent(state: Tensor) -> Tensor:
        at, along = state[:1], state[1:]
        both = flow.rate(torch.cat((at + along, at - along)))
        up, down = both.chunk(2)
        return torch.cat((flow.rate(at), (up - down) / 2))

    state = torch.cat((y, tangents))
    for _ in range(steps):
        state = runge_kutta(tangent, state, torch.tensor(time / steps, dtype=torch.float64))
    return torch.linalg.slogdet(flow.restore(state[1:]).flatten(1)).logabsdet


@pytest.mark.parametrize(("n", "steps"), [(7, 50), (17, 96)])
def test_the_log_determinant_of_the_discrete_map_is_the_exact_one(n: int, steps: int) -> None:
    flow = NavierStokes(n, viscosity=1e-3)
    log_det = log_det_of_steps(flow, turbulent(n, 1)[0], 1.0, steps)
    torch.testing.assert_close(
        log_det, torch.tensor(flow.divergence, dtype=torch.float64), rtol=0, atol=1e-3
    )
