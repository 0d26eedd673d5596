"""Solves by Levenberg and Marquardt's steps: the rows, the guards, a run, and its resume."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from stops import Stop
from torch import Tensor
from torch.nn.utils.stateless import _reparametrize_module

import genlab
from genlab.assembly import Solve, from_config
from genlab.config.stored import read_config
from genlab.errors import Interrupted, RunError, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.pde import Box, Corner, Faces, Peak, Periodic, Problem
from genlab.pinn import LeastSquaresPINNLearner, Network
from genlab.pinn.learner import domain_mean
from genlab.pinn.least_squares import Step
from genlab.pinn.network import Term
from genlab.pinn.rows import Rows, rows_at
from genlab.samplers import Points

SMALL = (
    "problem.n_points=150",
    "pinn.hidden=[6,6]",
    "trainer.max_steps=12",
    "trainer.val_every=6",
    "trainer.accelerator=cpu",
    "sampler.refresh=4",
    "sampler.redraw=2",
    "sampler.candidates=300",
    "sampler.rounds=2",
    "model.components=4",
    "callbacks=minimal",
    "logger=none",
)

OF_DAS = ("sampler.", "model.")


@pytest.fixture(autouse=True, scope="module")
def only_steps() -> Iterator[None]:
    """No test metrics and no figures, and stages on few points: they take longer than the steps."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_evaluate", "_draw"):
            patch.setattr(Solve, name, lambda *_: {})
        for name in ("pinn.stages.SIZE", "pde.problem.SIDE"):
            patch.setattr(f"genlab.{name}", 25)
        yield


def solve(folder: Path, *overrides: str) -> Solve:
    run = genlab.experiment(*SMALL, f"outputs={folder}", *overrides, command="solve")
    assert isinstance(run, Solve)
    return run


def learner(run: Solve) -> LeastSquaresPINNLearner:
    assert isinstance(run.module, LeastSquaresPINNLearner)
    return run.module


@pytest.mark.parametrize("problem", [Peak(), Corner()], ids=["hard", "soft"])
def test_the_rows_are_those_of_the_loss_and_their_jacobian_is_autograds(problem: Problem) -> None:
    network = Network(problem, hidden=[6, 5], activation="tanh", first_gain=2.0).double()
    x = problem.domain.sample(20, generator=None).double()
    points = Points(x, torch.randn(20).double())
    log_uniform = problem.domain.log_uniform
    conditions = network.conditions(torch.Generator().manual_seed(0), 7)
    assert len(conditions) == (not network.hard)
    rows = rows_at(network, points, conditions, log_uniform=log_uniform)
    loss = domain_mean(
        network.residual(network.frame(x)).square(), points.log_q, log_uniform=log_uniform
    )
    r, jacobian = rows.linearise(rows.theta)
    assert rows.interior(r) == pytest.approx(loss.item())
    if conditions:
        edge = conditions[0].frame.x
        missed = network(edge) - problem.prescribed(edge)
        loss = loss + network.boundary_weight * missed.square().mean()
    torch.testing.assert_close(r @ r, loss)
    # As steps by gradients count: the points of the residual alone.
    assert rows.evaluations == 20
    for ask in (rows.rows, rows.gradient, rows.products):
        ask(rows.theta)
    assert (rows.spent(), rows.spent()) == (80, 0)
    exact = torch.autograd.functional.jacobian(partial(of, network, rows), rows.theta)
    torch.testing.assert_close(jacobian, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("problem", [Peak(), Corner()], ids=["hard", "soft"])
def test_products_are_those_of_the_weights_they_were_asked_for(problem: Problem) -> None:
    """A step tries other weights, and then solves with the same Jacobian once more."""
    network = Network(problem, hidden=[6, 5], activation="tanh", first_gain=2.0).double()
    points = Points(problem.domain.sample(20, generator=None).double(), None)
    conditions = network.conditions(torch.Generator().manual_seed(0), 7)
    rows = rows_at(network, points, conditions, log_uniform=problem.domain.log_uniform)
    theta = rows.theta
    r, jacobian = rows.linearise(theta)
    same, ahead, back = rows.products(theta)
    rows.rows(theta + 0.3 * torch.randn_like(theta))
    v, w = torch.randn_like(theta), torch.randn_like(r)
    torch.testing.assert_close(same, r)
    torch.testing.assert_close(ahead(v), jacobian @ v)
    torch.testing.assert_close(back(w), w @ jacobian)


def test_the_numbers_of_rows_are_known_without_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Peak()
    network = Network(problem, hidden=[6], boundary="soft").double()
    frame = network.frame(problem.domain.sample(20, generator=None, dtype=torch.float64))
    ring = Periodic(problem.domain, 0)
    draw = torch.Generator().manual_seed(0)
    term = network._term(ring, ring.sample(9, generator=draw, dtype=torch.float64))
    rows = Rows(network, [Term(frame, network.residual, frame.x[:, 0]), term])
    monkeypatch.setattr(Network, "jet", None)
    assert (rows.sizes, rows.evaluations) == ([20, 18], 0)  # at two sides, values and slopes
    monkeypatch.undo()
    assert len(rows.rows(rows.theta)) == len(rows)


def test_the_points_of_conditions_lie_on_edges_to_the_last_digit() -> None:
    edge = 0.1  # single precision has 0.100000001
    problem = Corner()
    problem.domain = Box([(0.0, edge), (0.0, edge)])
    problem.boundary = Faces(problem.domain)
    network = Network(problem, hidden=[6], boundary="soft").double()
    [term] = network.conditions(torch.Generator().manual_seed(0), 200)
    on = (term.frame.x == 0) | (term.frame.x == edge)
    assert on.any(1).all()


def test_a_network_of_one_layer_is_one_of_least_squares_that_one_step_solves() -> None:
    network = Network(Corner(), hidden=[], activation="tanh", last_gain=0.1, boundary="soft")
    x = Corner().domain.sample(20, generator=None).double()
    conditions = network.double().conditions(torch.Generator().manual_seed(0), 30)
    rows = rows_at(network, Points(x, None), conditions, log_uniform=0.0)
    theta = rows.theta
    r, jacobian = rows.linearise(theta)
    assert jacobian.shape == (50, 3)
    rows.rows(theta - torch.linalg.lstsq(jacobian, r).solution)
    r, gradient = rows.gradient(rows.theta)
    assert gradient.abs().max() < 1e-10 < r.abs().max()


def of(network: Network, rows: Rows, theta: Tensor) -> Tensor:
    """The rows as a function that autograd follows."""
    parameters = dict(network.named_parameters())
    parts = theta.split([p.numel() for p in parameters.values()])
    named = {k: v.view_as(p) for (k, p), v in zip(parameters.items(), parts, strict=True)}
    with _reparametrize_module(network, named):
        r = rows.terms[0].weight * network.residual(rows.terms[0].frame)
        missed = [
            term.weight * (network(term.frame.x) - network.problem.prescribed(term.frame.x))
            for term in rows.terms[1:]
        ]
        return torch.cat((r, *missed))


def test_a_solve_that_is_stopped_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole = solve(tmp_path / "whole", "sampler=das")
    whole.fit()
    run = solve(tmp_path / "stopped", "sampler=das")
    with pytest.raises(Interrupted):
        run.fit(callbacks=[Stop(6)])
    assert run.directory is not None
    assert whole.directory is not None
    from_config(read_config(run.directory), run.directory).fit(resume=True)
    one, other = load_checkpoint(run.directory.last), load_checkpoint(whole.directory.last)
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key])
    for key, value in one["best"]["average"].items():
        assert torch.equal(value, other["best"]["average"][key])
    for key in ("jumps", "pace", "stride", "least", "left", "evaluations", "method"):
        assert one["solve"][key] == other["solve"][key], key


def test_what_is_kept_has_the_least_loss_on_points_that_no_step_has_seen(tmp_path: Path) -> None:
    run = solve(tmp_path, "sampler=das", "trainer.val_every=12")
    module, scores = learner(run), []
    unseen = module._unseen

    def spied() -> Tensor:
        r = unseen()
        scores.append(r.square().sum().item())
        return r

    module._unseen = spied
    run.fit()
    assert module._least_loss <= min(scores[-2:])
    held = module._held_out_rows
    assert held is not None
    with module.best.applied():
        assert held.rows(held.theta).square().sum().item() == pytest.approx(module._least_loss)
    # What the run's metrics say is of the kept weights, not of the last ones.
    assert run.directory is not None
    again = genlab.load(run.directory.path)
    kept = dict(module.best.average)
    for name, value in again.network.named_parameters():
        assert torch.equal(value, kept[name])


def test_points_that_are_overfitted_are_redrawn_sooner_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Fewer points than weights: each step fits them to the last digit.
    few = ("problem.n_points=20", "trainer.max_steps=32", "sampler.refresh=16", "sampler.redraw=8")
    run = solve(tmp_path, "problem=diffusion", "sampler=das", "sampler.rounds=0", *few)
    run.fit()
    assert learner(run).jump > 10
    assert learner(run).stride == 1
    pace = learner(run).pace
    assert pace is not None
    assert pace < 8
    assert "the loss on fresh points is" in capsys.readouterr().err


def test_steps_take_more_points_where_few_do_not_tell_enough(tmp_path: Path) -> None:
    run = solve(tmp_path, "sampler=das", "sampler.redraw=2", "trainer.max_steps=12")
    module, taken = learner(run), {}
    step = module.method.step

    def counted(problem: Rows, theta: Tensor) -> Step:
        taken[module.step] = len(problem.terms[0].weight)
        return step(problem, theta)

    module.method.step = counted
    run.fit()
    n, jumps = run.problem.n_points, dict(module.jumps)
    assert taken[0] == math.ceil(n / 4)
    assert any(jump > 1.5 for jump in jumps.values())
    expected = 4
    for at in range(1, 12):
        if jumps.get(at - 1, 1.0) > 1.5:
            expected = max(1, expected // 2)
        assert taken[at] == math.ceil(n / expected)


@pytest.mark.parametrize("sampler", ["das", "uniform"])
def test_a_jump_is_that_of_the_equation_alone(tmp_path: Path, sampler: str) -> None:
    """Measurements are the same on all points, and far above a residual that is small."""
    words = [word for word in SMALL if sampler == "das" or not word.startswith(OF_DAS)]
    words += [f"sampler={sampler}", "sampler.refresh=4", "trainer.max_steps=6"]
    run = genlab.experiment(
        *words, "problem=inverse_diffusion", f"outputs={tmp_path}", command="solve"
    )
    assert isinstance(run, Solve)
    module, seen, starts = learner(run), [], []
    module.stride = 1
    set_pace, step = module._set_pace, module.method.step

    def stepped(problem: Rows, theta: Tensor) -> Step:
        starts.append(theta)
        return step(problem, theta)

    module.method.step = stepped

    def spied() -> None:
        rows = module._rows if sampler == "das" else module._held_out_rows
        assert rows is not None
        assert module._left_loss is not None
        before = rows.evaluations
        r = rows.rows(starts[-1])
        rows.evaluations = before
        assert module.jumps[-1][1] == pytest.approx(rows.interior(r) / module._left_loss)
        assert rows.interior(r) < r.square().sum()
        seen.append(module.step)
        set_pace()

    module._set_pace = spied
    run.fit()
    assert 4 in seen


def test_a_jump_to_points_held_out_is_that_of_all_of_them(tmp_path: Path) -> None:
    """Steps take a quarter of the points, the judgement all."""
    words = [word for word in SMALL if not word.startswith(OF_DAS)]
    words += ["sampler=uniform", "sampler.refresh=4", "trainer.max_steps=6"]
    run = genlab.experiment(*words, f"outputs={tmp_path}", command="solve")
    assert isinstance(run, Solve)
    module, found = learner(run), []
    unseen, note = module._unseen, module._note_jump

    def spied() -> Tensor:
        found.append(unseen())
        return found[-1]

    def noted(now: float) -> None:
        assert module.stride == 4
        assert now == pytest.approx(found[-1].square().sum().item())  # a hard boundary has no rows
        found.append(torch.zeros(0))
        note(now)

    module._unseen, module._note_jump = spied, noted
    run.fit()
    assert any(not len(r) for r in found)


def test_a_method_remembers_nothing_of_fewer_points(tmp_path: Path) -> None:
    words = ("sampler=das", "sampler.redraw=2", "trainer.max_steps=8", "optimizer=ssbroyden")
    run = solve(tmp_path, *words)
    module, lengths = learner(run), []
    step = module.method.step

    def stepped(problem: Rows, theta: Tensor) -> Step:
        found = step(problem, theta)
        assert len(found.start) == len(found.rows) == len(problem)
        lengths.append(len(problem))
        return found

    module.method.step = stepped
    module._left_loss = 1e-3  # so that the first steps that are judged take more points
    run.fit()
    assert len(set(lengths)) > 1


def test_a_step_that_finds_no_way_down_is_followed_by_other_points(tmp_path: Path) -> None:
    run = solve(tmp_path, "sampler=das", "sampler.redraw=100", "trainer.max_steps=4")
    module = learner(run)
    step = module.method.step

    def stuck(problem: Rows, theta: torch.Tensor) -> Step:
        found = step(problem, theta)
        return found._replace(accepted=module.step != 1)

    module.method.step = stuck
    drawn = []
    module.sampler.redraw, redraw = (
        lambda points: drawn.append(module.step) or redraw(points),
        (module.sampler.redraw),
    )
    run.fit()
    assert drawn == [2]


def test_rounds_before_the_first_step_find_a_peak_in_ten_dimensions(tmp_path: Path) -> None:
    words = ("problem=linear10", "sampler.candidates=20000", "sampler.rounds=8", "seed=2")
    run = solve(tmp_path, *words, "trainer.max_steps=1", "trainer.val_every=1")
    run.fit()
    found = run.module.sampler_scalars()
    # int f^2, f = (200 - 400 |x|^2) exp(-10 |x|^2): under N(0, I / 40) the mean of (200 - 400
    # |x|^2)^2 is 12,000. It lies in less than a hundred-thousandth of the cube.
    assert found["sampler/mass"] == pytest.approx(12_000 * (math.pi / 20) ** 5, rel=0.1)
    assert found["sampler/ess"] > 0.3


def test_memory_is_asked_for_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of 150 rows by 67 weights, and three matrices of 67 by 67.
    need = 12 * (150 * 67 + 3 * 67**2)
    monkeypatch.setattr("genlab.pinn.least_squares_learner.free_memory", lambda _: need)
    solve(tmp_path, "sampler=das", "trainer.max_steps=5").fit()
    monkeypatch.setattr("genlab.pinn.least_squares_learner.free_memory", lambda _: need - 1)
    with pytest.raises(UserError, match=r"problem.n_points=150: 150 rows by 67 weights take 0\.00"):
        solve(tmp_path, "sampler=das", "trainer.max_steps=5").fit()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trainer.precision=32-true",), "trainer.precision=32-true: LevenbergMarquardt squares"),
        (("trainer.ema=0.9",), "trainer.ema=0.9: LevenbergMarquardt takes no gradient steps"),
        (("schedule=step",), "schedule=step: nothing uses it; LevenbergMarquardt has no schedule"),
    ],
)
def test_mistakes(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        solve(tmp_path, *words)


def test_a_density_is_not_trained_by_it() -> None:
    with pytest.raises(UserError, match="optimizer=levenberg_marquardt: steps on the residual"):
        genlab.experiment(model="realnvp", optimizer="levenberg_marquardt")


def test_a_residual_without_a_value_is_told_with_a_remedy(tmp_path: Path) -> None:
    # It has one at u = 0, and none a step later.
    (tmp_path / "lost.py").write_text(
        "box = [[-1, 1], [-1, 1]]\n"
        "def residual(x, u): return u.laplacian + 2 + (1e30 * u.value) ** 8\n"
    )
    words = ("problem=custom", f"problem.file={tmp_path / 'lost.py'}", "sampler=das")
    with pytest.raises(RunError, match="the residual has no value there") as told:
        solve(tmp_path, *words, "pinn.last_gain=1").fit()
    assert "as at x = [" in str(told.value)


def test_the_looks_before_the_first_step_end_with_the_time(tmp_path: Path) -> None:
    few = ("problem=linear10", "sampler.candidates=200", "problem.n_points=100")
    run = solve(tmp_path, *few, "sampler.rounds=8", "trainer.max_seconds=1e-3")
    run.fit()
    assert learner(run).step == 1
    assert learner(run).sampler.round == 1


def test_what_is_solved_to_the_last_digit_has_no_jumps(tmp_path: Path) -> None:
    # The boundary's values, built in, are the solution: what is left is rounding, and may be 0.
    file = tmp_path / "bowl.py"
    file.write_text(
        "box = [[-1, 1], [-1, 1]]\n"
        "def residual(x, u): return u.laplacian - 4\n"
        "def boundary(x): return x[:, 0] ** 2 + x[:, 1] ** 2\n"
    )
    words = ("problem=custom", f"problem.file={file}", "sampler=das", "model=gmm")
    run = solve(tmp_path, *words)
    module = learner(run)
    assert math.sqrt(module._rounding) == pytest.approx(4 * 2.0**-52)
    module._left_loss = 0.0
    module._note_jump(1e-32)
    assert [value for _, value in module.jumps] == [1.0]
    module._left_loss = 1e-20
    module._note_jump(1e-18)
    assert module.jumps[-1][1] == pytest.approx(100)
