"""``evaluate``, ``score``, ``sample`` and ``plot`` on a run whose model is a standard normal."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy import stats
from synthetic import plain_data
from torch import Tensor

from genlab.cli.condition import read_condition
from genlab.cli.main import main
from genlab.cli.point_files import read_points
from genlab.config.keys import Keys
from genlab.densities import Density, StandardNormal
from genlab.errors import UserError
from genlab.models import NICE
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import write_status

Capture = pytest.CaptureFixture[str]
MakeRun = Callable[..., RunDirectory]


def test_evaluate_prints_the_metrics(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    assert main(["evaluate", "latest"]) == 0
    shown = capsys.readouterr().out
    assert "realnvp on moons: outputs/run" in shown
    assert "2.500 +- 0.010" in shown


def test_a_run_that_is_training_is_evaluated_for_the_moment(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    write_status(make_run(), "running")
    assert main(["evaluate", "latest"]) == 0
    assert "these numbers are not kept" in capsys.readouterr().err


def test_score_is_the_log_density_in_double_precision(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    x = np.random.default_rng(0).normal(size=(10_000, 2)) * 10
    np.savetxt("points.csv", x, "%.17g", ",", header="a,b", comments="")
    assert main(["score", "run", "-i", "points.csv", "-o", "scores.csv"]) == 0
    expected = stats.multivariate_normal(np.zeros(2)).logpdf(x)
    header, *_ = Path("scores.csv").read_text().splitlines()
    assert header == "a,b,log_prob"
    scores = np.loadtxt("scores.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(scores[:, :2], x)
    np.testing.assert_allclose(scores[:, 2], expected, rtol=1e-13)
    shown = capsys.readouterr().out
    assert "10000 points in nats (exact)" in shown
    assert f"mean {expected.mean():.6g}  min {expected.min():.6g}" in shown


def test_score_to_an_array(make_run: MakeRun, assembly: ModuleType) -> None:
    make_run()
    np.save("points.npy", np.zeros((3, 2)))
    assert main(["score", "run", "-i", "points.npy", "-o", "scores.npy"]) == 0
    np.testing.assert_allclose(np.load("scores.npy"), [-math.log(2 * math.pi)] * 3)


def test_score_reads_any_layout_that_is_certain(make_run: MakeRun, assembly: ModuleType) -> None:
    make_run()
    Path("points.csv").write_text("# of today\n;a;b, in m\n0;0,5;-1\n1;2,25;0\n")
    assert main(["score", "run", "-i", "points.csv", "-o", "scores.csv"]) == 0
    header, *rows = Path("scores.csv").read_text().splitlines()
    assert header == 'a,"b, in m",log_prob'
    x = np.array([[0.5, -1], [2.25, 0]])
    scores = np.array([row.split(",") for row in rows], dtype=float)
    np.testing.assert_array_equal(scores[:, :2], x)
    expected = stats.multivariate_normal(np.zeros(2)).logpdf(x)
    np.testing.assert_allclose(scores[:, 2], expected, rtol=1e-13)


def test_score_counts_points_without_density(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    np.save("points.npy", np.array([[0.0, 0.0], [1e200, 0.0]]))
    assert main(["score", "run", "-i", "points.npy"]) == 0
    assert "(1 of density 0)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-i", "three.csv"], "expected 2 columns"),
        (["-i", "tree.csv"], "-i tree.csv: no such file; did you mean 'three.csv'?"),
        (["-i", "three.csv", "-o", "x.txt"], "-o x.txt: expected a file that ends in .csv or .npy"),
        (["-i", "three.csv", "-o", "no/x.csv"], "-o no/x.csv: the folder no does not exist"),
    ],
)
def test_score_mistakes(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture, words: list[str], message: str
) -> None:
    make_run()
    Path("three.csv").write_text("1,2,3\n")
    assert main(["score", "run", *words]) == 2
    assert message in capsys.readouterr().err


def test_samples_of_one_seed_in_every_format(make_run: MakeRun, assembly: ModuleType) -> None:
    make_run()
    for name in ("x.npz", "x.npy", "x.csv"):
        assert main(["sample", "run", "-n", "5000", "--seed", "0", "-o", name]) == 0
    x = np.load("x.npy")
    assert x.shape == (5000, 2)
    np.testing.assert_array_equal(np.load("x.npz")["x"], x)
    np.testing.assert_array_equal(read_points(Path("x.csv"), (2,)).x.astype(np.float32), x)
    assert stats.kstest(x.flatten(), "norm").pvalue > 1e-3
    assert len(np.unique(x[:, 0])) > 4990, "batches must not repeat each other"


def test_another_seed_and_none_at_all(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    drawn = []
    for seed in (["--seed", "0"], ["--seed", "1"], [], []):
        assert main(["sample", "run", "-n", "3", *seed]) == 0
        drawn.append(capsys.readouterr().out.splitlines()[2:])
    assert len({tuple(rows) for rows in drawn}) == 4
    assert drawn[0][0] == "x1,x2"
    assert len(drawn[0]) == 4


def test_the_seed_that_was_used_gives_the_same_samples(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    assert main(["sample", "run", "-n", "3"]) == 0
    first = capsys.readouterr().out
    seed = first.splitlines()[1].rpartition("seed ")[2]
    assert main(["sample", "run", "-n", "3", "--seed", seed]) == 0
    assert capsys.readouterr().out == first


def test_without_a_file_a_few_rows(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    assert main(["sample", "run", "-n", "500"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 14
    assert lines[-1] == "... 490 more; -o FILE keeps all"


class Given(Density):
    """``x | p, q ~ N((p, q), I)``: a conditional density of a table with two columns learned."""

    def __init__(self) -> None:
        super().__init__((2,), context_dim=2)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return StandardNormal((2,)).to(x).log_prob(x - context)

    def _sample(self, n: int, context: Tensor | None, generator: Any) -> Tensor:
        assert context is not None
        return context + torch.randn(n, 2, dtype=self.dtype, generator=generator)


@pytest.fixture
def conditional(make_run: MakeRun, assembly: ModuleType) -> None:
    make_run()
    data = plain_data(
        columns=("a", "b"), context_columns=("p", "q"), header=None, names=(), checksums=()
    )
    assembly.load = lambda path: SimpleNamespace(density=Given(), data=data, keys=Keys({}))


def test_a_table_comes_back_with_its_columns(conditional: None, capsys: Capture) -> None:
    words = ["sample", "run", "--condition", "q=-100, p=100", "-n", "2000", "-o", "new.csv"]
    assert main(words) == 0
    header, *lines = Path("new.csv").read_text().splitlines()
    assert header == "a,b,p,q"
    rows = np.array([line.split(",") for line in lines], dtype=float)
    np.testing.assert_allclose(rows.mean(0), [100, -100, 100, -100], atol=0.15)
    # Columns are found by name, whatever else the file holds.
    shuffled = [f"Rome,{q},{b},{a},{p}" for a, b, p, q in rows.tolist()]
    Path("other.csv").write_text("\n".join(["city,q,b,a,p", *shuffled]))
    np.save("new.npy", rows)
    for name in ("new.csv", "other.csv", "new.npy"):
        assert main(["score", "run", "-i", name, "-o", "scores.csv"]) == 0
        assert Path("scores.csv").read_text().startswith("a,b,p,q,log_prob\n")
        scores = np.loadtxt("scores.csv", delimiter=",", skiprows=1)
        expected = stats.norm.logpdf(rows[:, :2] - rows[:, 2:]).sum(1)
        np.testing.assert_allclose(scores[:, 4], expected, atol=1e-9)
    # A sample for each row of a file, or several.
    assert main(["sample", "run", "--condition", "new.csv", "-n", "2", "-o", "more.npy"]) == 0
    assert np.load("more.npy").shape == (4000, 4)
    Path("row.csv").write_text("p,q\n1,2\n")
    assert main(["sample", "run", "--condition", "row.csv", "-o", "more.npy"]) == 0
    assert np.load("more.npy").shape == (1, 4)
    assert main(["sample", "run", "--condition", "p=1,q=2", "-n", "3"]) == 0
    assert "\na,b,p,q\n" in capsys.readouterr().out


def test_a_condition_may_be_true_or_false(conditional: None, capsys: Capture) -> None:
    """As tables of pandas hold it, 1 and 0."""
    for words in ("p=true,q=False", "p=1,q=0"):
        assert main(["sample", "run", "--condition", words, "-n", "3", "--seed", "4"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([], '--condition: missing; expected "p=VALUE,q=VALUE", or a file'),
        (["--condition", "p=1"], "--condition p=1: q is missing"),
        (["--condition", "p=1,r=2"], "--condition p=1,r=2: no 'r'; choose from: p, q"),
        (["--condition", "p=1,q=x"], "--condition p=1,q=x: 'x' is not a number"),
        (["--condition", "p=1,q=nan"], "--condition p=1,q=nan: 'nan' is not a finite number"),
        (["--condition", "p=1,q=2,p=3"], "--condition p=1,q=2,p=3: p is given twice"),
        (["--condition", "0.5"], '--condition 0.5: names no value; expected "p=VALUE,q=VALUE"'),
        (["--condition", "gone.csv"], "--condition gone.csv: no such file"),
    ],
)
def test_conditions_that_say_none(
    conditional: None, capsys: Capture, condition: list[str], message: str
) -> None:
    assert main(["sample", "run", *condition]) == 2
    assert message in capsys.readouterr().err


def test_of_many_values_a_few_are_named() -> None:
    with pytest.raises(UserError, match=r'expected "c1=VALUE,\.\.\.,c16=VALUE", or a file'):
        read_condition(None, NICE(2, context_dim=16), SimpleNamespace(context_columns=()))


def test_a_condition_for_a_model_without(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    assert main(["sample", "run", "--condition", "7"]) == 2
    assert "--condition 7: this model is unconditional" in capsys.readouterr().err


def test_a_figure_of_samples(make_run: MakeRun, assembly: ModuleType) -> None:
    make_run()
    assert main(["sample", "run", "-n", "2000", "--seed", "0", "-o", "x.png"]) == 0
    image = imread("x.png")[..., :3]
    height, width, _ = image.shape
    inked = (image.min(-1) < 0.9).mean()
    assert 0.02 < inked < 0.9
    middle = image[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    corner = image[: height // 8, width // 2 - width // 16 : width // 2 + width // 16]
    assert middle.mean() < corner.mean(), "a normal is densest in the middle"


def test_no_figure_off_the_plane(make_run: MakeRun, assembly: ModuleType, capsys: Capture) -> None:
    make_run()
    assembly.load = lambda path: SimpleNamespace(density=StandardNormal((3,)), data=None)
    assert main(["sample", "run", "-o", "x.png"]) == 2
    assert "a .png shows points in the plane" in capsys.readouterr().err
    assert not Path("x.png").exists()


class TwoGreys(Density):
    """Images that are black in class 0 and white in class 1."""

    def __init__(self) -> None:
        super().__init__((1, 3, 5), labels=2)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return x.flatten(1).sum(1)

    def _sample(self, n: int, context: Tensor | None, generator: object) -> Tensor:
        assert context is not None
        return context[:, 1, None, None, None].expand(-1, 1, 3, 5)


def test_a_grid_of_images_of_one_class(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    data = plain_data()
    assembly.load = lambda path: SimpleNamespace(density=TwoGreys(), data=data, keys=Keys({}))
    assert main(["sample", "run", "-n", "7", "--condition", "1", "-o", "x.png"]) == 0
    # Three rows of three, a line between them, each pixel enlarged alike.
    image = imread("x.png")[..., 0]
    zoom = 512 // 17
    assert image.shape == (11 * zoom, 17 * zoom)
    shown = image[zoom // 2 :: zoom, zoom // 2 :: zoom]
    assert (shown[:3, :5] == 1).all()
    assert (shown[3] < 0.6).all()
    assert (shown[8:, 6:] < 0.6).all()
    assert main(["sample", "run", "-n", "1", "--condition", "2", "-o", "x.png"]) == 2
    assert "expected a label from 0 to 1" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [None, "images/new"])
def test_plot(make_run: MakeRun, assembly: ModuleType, capsys: Capture, folder: str | None) -> None:
    run = make_run()
    figures = {"density": Figure((1, 1)), "samples": Figure((2, 1))}
    assembly.load = lambda path: SimpleNamespace(draw=lambda _: figures)
    assert main(["plot", "run", *(["-o", folder] if folder else [])]) == 0
    place = run.figures if folder is None else Path(folder)
    assert capsys.readouterr().out.split() == [
        str(place / "density.png"),
        str(place / "samples.png"),
    ]
    density, samples = imread(place / "density.png"), imread(place / "samples.png")
    assert samples.shape[1] == 2 * density.shape[1]


def test_plot_shows_the_columns_that_are_named(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture
) -> None:
    make_run()
    chosen: list[tuple[str | int, ...]] = []

    def draw(columns: tuple[str | int, ...]) -> dict[str, Figure]:
        chosen.append(columns)
        return {"samples": Figure((1, 1))}

    assembly.load = lambda path: SimpleNamespace(draw=draw)
    assert main(["plot", "run", "--columns", "mass,12"]) == 0
    assert chosen == [("mass", 12)]
    assert main(["plot", "run", "--columns", "mass", "--animate"]) == 2
    assert "not allowed with argument --columns" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "plot", "resume", "sample"])
def test_a_run_of_another_version(
    make_run: MakeRun, assembly: ModuleType, capsys: Capture, command: str
) -> None:
    run = make_run()
    write_json(run.manifest, {**read_json(run.manifest), "format": 2, "genlab": "9.9"})
    assert main([command, "run"]) == 2
    error = capsys.readouterr().err
    assert "written by genlab 9.9 in run format 2" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["evaluate", "plot", "resume", "sample"])
def test_no_such_run(make_run: MakeRun, capsys: Capture, command: str) -> None:
    make_run("realnvp-moons")
    assert main([command, "realnvp-mons"]) == 2
    assert "did you mean 'outputs/realnvp-moons'?" in capsys.readouterr().err
