"""Samplers in DeepXDE's own training loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genlab.errors import UserError
from genlab.models import GMM
from genlab.pde import Box
from genlab.samplers import DAS, R3, Points, Sampler

dde = pytest.importorskip("deepxde")

from genlab.adapters.deepxde import AdaptiveAnchors, domain_of  # noqa: E402

INTERVAL = dde.geometry.Interval(0, 2)


class Fixed(Sampler):
    """Points of the density ``x / 2`` on [0, 2], some of them on the boundary."""

    def _first(self) -> Points:
        x = torch.tensor([[0.0], [0.5], [1.0], [2.0], [1.5]])
        return Points(x, (x[:, 0] / 2).log())

    def _refresh(self, points, indicator) -> Points:
        self.seen = indicator(points.x)
        return points


def fixed() -> Fixed:
    return Fixed(domain=domain_of(INTERVAL), n_points=5)


def second(x, u):
    return dde.grad.hessian(u, x)


def sine(equation=second, bcs=(), **settings):
    """A model of sin(x), whatever its network: its second derivative is the residual."""
    data = dde.data.PDE(INTERVAL, equation, list(bcs), num_domain=7, **settings)
    network = dde.nn.FNN([1, 4, 1], "tanh", "Glorot normal")
    network.apply_output_transform(lambda x, u: torch.sin(x) + 0 * u)
    model = dde.Model(data, network)
    model.compile("adam", lr=1e-3, verbose=0)
    return model


def train(model, callback, steps=2):
    return model.train(iterations=steps, callbacks=[callback], display_every=1, verbose=0)


@pytest.mark.parametrize("weigh", [True, False])
def test_the_loss_is_that_of_weighed_residuals_inside(weigh: bool) -> None:
    history, state = train(sine(), AdaptiveAnchors(fixed(), weigh=weigh))
    x = np.array([0.5, 1.0, 1.5])
    squares = np.sin(x) ** 2 / (2 * x / 2 if weigh else 1)  # |Omega| q = x
    assert state.X_train[:, 0].tolist() == x.tolist()
    assert history.loss_train[-1][0] == pytest.approx(squares.mean(), rel=1e-5)


def test_the_sampler_sees_the_squared_residual_of_all_equations() -> None:
    def system(x, u):
        return [dde.grad.jacobian(u, x), 2 * dde.grad.hessian(u, x)]

    sampler = fixed()
    history, _ = train(sine(system), AdaptiveAnchors(sampler, refresh=2))
    x = sampler._first().x[:, 0]
    torch.testing.assert_close(sampler.seen, x.cos() ** 2 + 4 * x.sin() ** 2, check_dtype=False)
    inside = x[[1, 2, 4]]
    weighed = [inside.cos() ** 2 / inside, 4 * inside.sin() ** 2 / inside]
    expected = [float(squares.mean()) for squares in weighed]
    assert history.loss_train[-1] == pytest.approx(expected, rel=1e-5)


def test_points_of_conditions_stay_and_count_as_before() -> None:
    ends = dde.icbc.DirichletBC(INTERVAL, lambda x: 0, lambda x, on_boundary: on_boundary)
    model = sine(bcs=[ends], num_boundary=2)
    before = model.data.train_x_bc.copy()
    history, state = train(model, AdaptiveAnchors(fixed()))
    assert model.data.train_x_bc.tolist() == before.tolist()
    assert sorted(before[:, 0]) == [0, 2]
    assert state.X_train[2:, 0].tolist() == [0.5, 1.0, 1.5]
    assert history.loss_train[-1][1] == pytest.approx(np.sin(2) ** 2 / 2, rel=1e-5)
    assert state.train_aux_vars[:2, 0].tolist() == [1, 1]


def test_das_follows_the_residual_and_keeps_its_distance() -> None:
    square = dde.geometry.Rectangle([-1, -1], [1, 1])

    def peak(x, u):
        return torch.exp(-50 * ((x - 0.5) ** 2).sum(1, keepdim=True)) + 0 * u

    data = dde.data.PDE(square, peak, [], num_domain=10, num_boundary=10)
    model = dde.Model(data, dde.nn.FNN([2, 4, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3, verbose=0)
    das = DAS(domain=domain_of(square), n_points=400, model=GMM(2), candidates=2000)
    anchors = AdaptiveAnchors(das, refresh=2, redraw=1)
    train(model, anchors, steps=5)
    assert (das.round, das.draw) == (3, 1)
    x = data.train_x_all
    assert 0.4 < (np.linalg.norm(x - 0.5, axis=1) < 0.3).mean() < 0.7  # half is uniform
    assert not square.on_boundary(x).any()
    assert data.train_aux_vars[:, 0] == pytest.approx(anchors.schedule.weights.numpy())


def test_time_is_the_last_coordinate_and_its_beginning_a_boundary() -> None:
    space_time = dde.geometry.GeometryXTime(INTERVAL, dde.geometry.TimeDomain(1, 3))
    data = dde.data.TimePDE(space_time, lambda x, u: u, [], num_domain=4, num_initial=3)
    model = dde.Model(data, dde.nn.FNN([2, 4, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3, verbose=0)
    sampler = R3(domain=domain_of(space_time), n_points=50)
    train(model, AdaptiveAnchors(sampler, refresh=1), steps=3)
    assert sampler.domain.box == ((0, 2), (1, 3))
    assert len(data.train_x_all) == 50
    assert not space_time.on_initial(data.train_x_all).any()


@pytest.mark.parametrize(
    ("geometry", "box", "volume"),
    [
        (dde.geometry.Hypercube([0, 0, 0], [1, 2, 3]), ((0, 1), (0, 2), (0, 3)), 6),
        (dde.geometry.Disk([1, 2], 2), ((-1, 3), (0, 4)), 4 * np.pi),
        (dde.geometry.Ellipse([0, 0], 2, 1, np.pi / 4), ((-2, 2), (-2, 2)), 2 * np.pi),
        (
            dde.geometry.GeometryXTime(dde.geometry.Disk([0, 0], 1), dde.geometry.TimeDomain(0, 2)),
            ((-1, 1), (-1, 1), (0, 2)),
            2 * np.pi,
        ),
    ],
)
def test_the_domain_of_a_geometry(geometry, box, volume) -> None:
    domain = domain_of(geometry)
    assert domain.box == box
    assert domain.volume == pytest.approx(volume, rel=1e-3)
    assert domain.contains(torch.from_numpy(geometry.random_points(50))).all()


@pytest.mark.parametrize("geometry", [dde.geometry.PointCloud(np.zeros((3, 2))), Box([(0, 1)])])
def test_what_has_no_box_is_refused(geometry) -> None:
    with pytest.raises(UserError, match="has no box; expected one of"):
        domain_of(geometry)


def test_data_that_cannot_be_weighed_are_refused() -> None:
    with pytest.raises(UserError, match="auxiliary_var_function: expected none"):
        train(sine(lambda x, u, a: u, auxiliary_var_function=lambda x: x), AdaptiveAnchors(fixed()))
    model = sine()
    model.data = dde.data.Function(INTERVAL, np.sin, 5, 5)
    with pytest.raises(UserError, match=r"expected deepxde\.data\.PDE, got Function"):
        train(model, AdaptiveAnchors(fixed()))


def test_a_domain_of_another_dimension_is_refused() -> None:
    sampler = Fixed(domain=Box([(0, 1)] * 2), n_points=5)
    with pytest.raises(UserError, match="its domain has dim 2, expected 1"):
        train(sine(), AdaptiveAnchors(sampler))


def test_the_example() -> None:
    text = (Path(__file__).parents[2] / "examples" / "peak_deepxde.py").read_text()
    found: dict[str, object] = {}
    exec(text.replace("2000", "12").replace("refresh=300", "refresh=8"), found)
    assert found["das"].round == 2
