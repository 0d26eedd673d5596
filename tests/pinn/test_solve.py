"""Whole solves of some dozens of steps: what they keep, resume, and say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from small import SOLVE
from stops import Stop, StopAmid
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import genlab
from genlab.assembly import Solve, from_config
from genlab.cli.main import main
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.stored import read_config
from genlab.errors import Interrupted, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.pinn.stages import read_stages
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.status import read_status

DAS = (
    "sampler=das",
    "model=realnvp",
    "model.layers=2",
    "model.hidden=[8]",
    "sampler.candidates=100",
    "sampler.fit.steps=3",
    "sampler.fit.batch_size=50",
    "sampler.redraw=4",
)


@pytest.fixture(autouse=True, scope="module")
def coarse() -> Iterator[None]:
    """Stages and solutions on grids of few points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genlab.pinn.stages.SIZE", 25)
        patch.setattr("genlab.pinn.solution.SIZE", 25)
        patch.setattr("genlab.pde.problem.SIDE", 32)
        yield


def solve(folder: Path, *overrides: str) -> Solve:
    run = genlab.experiment(*SOLVE, f"outputs={folder}", *overrides, command="solve")
    assert isinstance(run, Solve)
    return run


@pytest.fixture(scope="module")
def das(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = solve(tmp_path_factory.mktemp("das"), *DAS)
    run.fit()
    assert run.directory is not None
    return run.directory


def test_a_run_like_any_other(das: RunDirectory) -> None:
    manifest = read_json(das.manifest)
    assert (manifest["model"], manifest["data"]) == ("das-realnvp", "peak")
    assert manifest["config"]["sampler.refresh"] == 10
    metrics = json.loads(das.metrics.read_text())
    assert metrics["test/relative_l2/zero"] == 1
    assert metrics["test/relative_l2"] > 0
    assert metrics["test/max_error"] > 0
    # Thirty steps on 40 points, and two looks at 100 candidates.
    assert metrics["pinn/residual_evaluations"] == 30 * 40 + 2 * 100
    assert metrics["pinn/points"] == 40
    assert 0 < metrics["sampler/ess"] <= 1
    assert 0 <= metrics["time/sampler_share"] <= 1
    assert {path.name for path in das.figures.iterdir()} == {
        "curves.png",
        "solution.png",
        "stages.png",
    }
    events = EventAccumulator(str(das.tensorboard), size_guidance={"images": 0}).Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"train/loss", "val/relative_l2", "sampler/ess", "test/relative_l2"} < scalars
    assert [image.step for image in events.Images("stage")] == [0, 10, 20]


def test_stages(das: RunDirectory) -> None:
    first, *_, last = read_stages(das.stages)
    assert (first.step, last.step) == (0, 20)
    assert first.weight.tolist() == [1.0] * 40  # the first points are uniform
    assert last.density is not None
    assert last.indicator is not None
    cell = 4 / last.density.numel()
    assert float(last.indicator.sum()) * cell == pytest.approx(1, abs=0.1)
    assert float(last.density.sum()) * cell == pytest.approx(1, abs=0.2)
    # Half of the density is uniform, so no weight exceeds 2.
    assert float(last.weight.max()) <= 2 + 1e-4


def test_loading_and_what_works_on_a_run(
    das: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = genlab.load(das.path)
    assert isinstance(loaded, Solve)
    x = torch.rand(5, 2)
    assert loaded.network(x).shape == (5,)
    q = loaded.sampler.log_prob(x)
    assert q is not None
    assert loaded.density.log_prob(x).isfinite().all()
    with pytest.raises(AttributeError, match=r"\.network is the solution u, \.density"):
        loaded.model  # noqa: B018
    before = read_json(das.metrics)
    assert loaded.metrics == before
    assert loaded.test()["test/relative_l2"] == pytest.approx(before["test/relative_l2"])
    run = str(das.path)
    assert main(["evaluate", run]) == 0
    assert main(["sample", run, "-n", "10"]) == 0
    assert main(["plot", run, "--animate", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "stages.gif").stat().st_size > 1000
    assert "das-realnvp on peak" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stop", "reached"),
    [
        (Stop(13), 14),
        (Stop(19), 20),
        (StopAmid("refresh", 20), 20),
        (StopAmid("redraw", 24), 24),
    ],
    ids=["step", "last step", "refresh", "redraw"],
)
def test_a_solve_that_is_stopped_ends_like_one_that_was_not(
    das: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Callback, reached: int
) -> None:
    monkeypatch.setattr(Solve, "_draw", lambda *_: {})
    run = solve(tmp_path, *DAS, "callbacks.images=null")
    with pytest.raises(Interrupted):
        run.fit(callbacks=[stop])
    assert run.directory is not None
    assert load_checkpoint(run.directory.last)["step"] == reached
    status = read_status(run.directory)
    assert (status["state"], status["step"]) == ("interrupted", reached)
    from_config(read_config(run.directory), run.directory).fit(resume=True)
    one, other = load_checkpoint(run.directory.last), load_checkpoint(das.last)
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key])
    assert torch.equal(one["solve"]["points"]["x"], other["solve"]["points"]["x"])
    assert one["solve"]["evaluations"] == other["solve"]["evaluations"]
    assert [row["step"] for row in one["solve"]["history"]] == [15, 30]


MY_PDE = """\
import math

import torch

box = [[0, 2], [0, 1]]
time = True


def residual(x, u):
    return u.gradient[:, 1] - u.laplacian / math.pi**2


def boundary(x):
    return torch.sin(math.pi * x[:, 0])


def exact(x):
    return torch.sin(math.pi * x[:, 0]) * torch.exp(-x[:, 1])
"""


def test_a_users_own_problem_without_figures(tmp_path: Path) -> None:
    (tmp_path / "my_pde.py").write_text(MY_PDE)
    file = f"problem.file={tmp_path / 'my_pde.py'}"
    custom = ("problem=custom", file, "sampler=rad", "sampler.candidates=100")
    run = solve(tmp_path, *custom, "callbacks.images=null")
    assert run.likelihood == "none"
    assert run.fit()["test/relative_l2"] is not None
    with pytest.raises(UserError, match="sampler=rad: it learns no density"):
        run.density  # noqa: B018
    with pytest.raises(UserError, match=r"problem\.dim=3: the box of .* has 2 intervals"):
        solve(tmp_path, *custom, "problem.dim=3")


def test_one_dimension(tmp_path: Path) -> None:
    (tmp_path / "ode.py").write_text(
        "box = [[0, 1]]\n"
        "def residual(x, u): return u.laplacian + 2\n"
        "def exact(x): return x[:, 0] * (1 - x[:, 0])\n"
    )
    file = f"problem.file={tmp_path / 'ode.py'}"
    run = solve(tmp_path, "problem=custom", file, "problem.dim=1", "sampler=uniform")
    assert run.fit()["test/relative_l2"] is not None
    assert sorted(run.figures) == ["curves", "solution", "stages"]
    assert run.animate(tmp_path).exists()


def test_systems_and_inverse_problems(tmp_path: Path) -> None:
    run = solve(tmp_path / "flow", "problem=kovasznay", "sampler=rad", "sampler.candidates=100")
    metrics = run.fit()
    names = {f"test/relative_l2/{name}" for name in ("u", "v", "p", "zero")}
    assert names < metrics.keys()
    assert sorted(run.figures) == ["curves", "solution", "stages"]
    assert run.network(torch.rand(5, 2)).shape == (5, 3)
    before = solve(tmp_path / "inverse", "problem=inverse_diffusion", "sampler=resampled")
    metrics = before.fit()
    assert metrics["test/coefficient/D"] != pytest.approx(0.3, rel=1e-6)
    assert metrics["test/coefficient_error/D"] == pytest.approx(
        abs(metrics["test/coefficient/D"] / 0.1 - 1)
    )
    assert before.directory is not None
    loaded = genlab.load(before.directory.path)
    assert isinstance(loaded, Solve)
    found = loaded.network.coefficients["D"].item()
    assert found == pytest.approx(metrics["test/coefficient/D"])


def test_a_relative_error_where_the_solution_is_zero_is_none(tmp_path: Path) -> None:
    (tmp_path / "zero.py").write_text(
        "box = [[0, 1]]\ndef residual(x, u): return u.laplacian\ndef exact(x): return 0 * x[:, 0]\n"
    )
    file = f"problem.file={tmp_path / 'zero.py'}"
    metrics = solve(tmp_path, "problem=custom", file, "problem.dim=1", "sampler=uniform").fit()
    assert metrics["test/relative_l2"] is None
    assert metrics["test/relative_l2/zero"] is None
    assert metrics["test/max_error"] is not None


def test_a_problem_whose_solution_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MY_PDE.split("def exact")[0])
    custom = ("problem=custom", f"problem.file={tmp_path / 'mine.py'}", "callbacks.images=null")
    metrics = solve(tmp_path, *custom, "sampler=resampled").fit()
    assert metrics["test/residual"] is not None
    assert "test/relative_l2" not in metrics
    with pytest.raises(UserError, match=r"trainer.monitor=val/relative_l2: not a validation"):
        solve(tmp_path, *custom, "sampler=resampled", "trainer.monitor=val/relative_l2")


def test_a_soft_boundary_counts_where_networks_are_chosen(tmp_path: Path) -> None:
    run = solve(tmp_path, "problem=lshape", "pinn.boundary=soft", "sampler=uniform")
    # A constant has no residual at all, and solves nothing.
    for parameter in run.network.parameters():
        parameter.data.zero_()
    numbers = run.module.validate(None)
    x = run.problem.boundary.sample(4000, generator=torch.Generator().manual_seed(1))
    missed = run.problem.prescribed(x).square().mean()
    torch.testing.assert_close(
        numbers["val/loss"], (run.network.boundary_weight * missed).cpu(), rtol=0.1, atol=0
    )


def test_a_network_starts_the_same_whatever_chooses_its_points(tmp_path: Path) -> None:
    runs = [solve(tmp_path, "sampler=uniform"), solve(tmp_path, *DAS)]
    first, second = (run.network.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ten_dimensions_and_a_soft_boundary(tmp_path: Path) -> None:
    run = solve(
        tmp_path,
        *("problem=linear10", "problem.dim=3", "sampler=rar_d", "sampler.candidates=100"),
        *("pinn.boundary=soft", "callbacks.images=null"),
    )
    assert run.fit()["pinn/points"] == 40 + 2 * 50
    assert run.directory is not None
    figures = {path.stem for path in run.directory.figures.iterdir()}
    assert figures == {"curves", "solution", "stages"}


def test_a_sweep_over_samplers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sampler=uniform,rad", *SOLVE, f"outputs={tmp_path}"]
    assert main(["solve", "-m", *words, "callbacks.images=null"]) == 0
    output = capsys.readouterr().out
    assert all(f"sampler={name}" in output for name in ("uniform", "rad"))
    assert len(list(tmp_path.rglob("metrics.json"))) == 2


@pytest.mark.parametrize("sampler", ["rad", "rar_d", "r3", "das", "aas", "bootstrap"])
def test_a_sampler_that_would_never_look_is_refused(sampler: str) -> None:
    words = [f"sampler={sampler}", "trainer.max_steps=50", "optimizer=adam"]
    check(compose("solve", [*words, "sampler.refresh=49"]))
    with pytest.raises(UserError) as refused:
        check(compose("solve", [*words, "sampler.refresh=50"]))
    first, second = str(refused.value).splitlines()
    assert first.startswith("sampler.refresh=50: ")
    assert first.endswith(" would not once look at the network in trainer.max_steps=50;")
    assert second == "set sampler.refresh below 50, or trainer.max_steps above 50"


@pytest.mark.parametrize("key", ["redraw", "rounds"])
def test_a_sampler_that_never_draws_between_looks_is_told_so(tmp_path: Path, key: str) -> None:
    solve(tmp_path, "sampler=das", f"sampler.{key}=5")
    with pytest.raises(UserError, match=f"sampler.{key}=5: RAD has no use for it"):
        solve(tmp_path, "sampler=rad", f"+sampler.{key}=5")


@pytest.mark.parametrize("sampler", ["uniform", "resampled", "lhs", "sobol"])
def test_one_that_looks_at_nothing_needs_no_refresh(sampler: str) -> None:
    check(compose("solve", [f"sampler={sampler}", "trainer.max_steps=50"]))


def test_mistakes(tmp_path: Path) -> None:
    for words, message in {
        (
            "sampler=uniform",
            "model=krnet",
        ): "model=krnet: nothing uses it; UniformSampler learns no model",
        ("sampler.refresh=0",): "sampler.refresh=0: expected an integer, at least 1",
        ("sampler=aas", "model=vae"): "sampler=aas: it needs an exact density",
        ("objective=elbo",): "objective: ELBO teaches VAE models, not GMM",
        ("trainer.devices=2",): "trainer.devices=2: a solve runs on one device",
        ("problem=custom", "problem.file=no.py"): "no.py: no such file",
        ("+data=moons",): "data=moons: no choice of `genlab solve`; `genlab train` has it",
    }.items():
        with pytest.raises(UserError, match=message):
            solve(tmp_path, *words)


@pytest.mark.parametrize("name", ["scores.csv", "scores.npy"])
def test_the_solution_at_points_of_a_file(
    das: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "points.csv").write_text("x,y\n0.5,0.5\n-1,0.25\n3,0\n")
    words = ["score", str(das.path), "-i", str(tmp_path / "points.csv")]
    assert main([*words, "-o", str(tmp_path / name)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].startswith("u at 3 points: mean ")
    assert told[1].endswith("  (1 outside the domain)")
    assert told[2].startswith("log p of 3 points in nats (exact): ")
    path = tmp_path / name
    if name.endswith("npy"):
        table = torch.from_numpy(np.load(path))
    else:
        header, *rows = path.read_text().splitlines()
        assert header == "x,y,u,u_x,u_y,log_prob"
        table = torch.tensor([[float(cell) for cell in row.split(",")] for row in rows])
    loaded = genlab.load(das.path)
    assert isinstance(loaded, Solve)
    x = table[:2, :2].float().requires_grad_()
    u = loaded.network(x)
    torch.testing.assert_close(table[:2, 2].float(), u)
    (slopes,) = torch.autograd.grad(u.sum(), x)
    torch.testing.assert_close(table[:2, 3:5].float(), slopes, atol=1e-5, rtol=1e-4)
    assert table[2, 2:5].isnan().all()
    assert table[1, 2].abs() < 1e-6  # on the boundary, where the peak is 0
