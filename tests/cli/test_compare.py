"""``genlab compare``: tables, a page and figures of many runs, in a fraction of a second."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from matplotlib.image import imread
from matplotlib.pyplot import imsave
from synthetic import synthetic_run

from genlab.cli.main import main
from genlab.densities import StandardNormal
from genlab.targets import Moons

Capture = pytest.CaptureFixture[str]

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs of two models on two targets with two seeds; one failed, one is torn."""
    monkeypatch.chdir(tmp_path)
    for model, kl in (("nsf", 0.1), ("nice", 0.2)):
        for data in ("moons", "rings"):
            for seed in (0, 1):
                metrics = {"test/kl": kl + seed / 100, "test/nll": None}
                path = tmp_path / "outputs" / f"{model}-{data}-{seed}"
                run = synthetic_run(path, model=model, data=data, seed=seed, metrics=metrics)
                run.figures.mkdir()
                imsave(run.figures / "density.png", [[kl, 0.0], [0.5, 1.0]])
    synthetic_run(tmp_path / "outputs" / "lost", seed=2, state="failed")
    synthetic_run(tmp_path / "outputs" / "torn").manifest.write_text("{")
    return tmp_path / "outputs"


def test_a_table_and_what_is_not_in_it(outputs: Path, capsys: Capture) -> None:
    assert main(["compare"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "data", "runs", "test/kl", "test/nll"]
    assert rows[3].split() == ["nsf", "rings", "2", "0.1050", "±", "0.0071*", "-"]
    assert rows[4] == "failed: outputs/lost: RunError: the loss became nan"
    assert rows[5].startswith("unreadable: outputs/torn/run.json: not valid JSON")


def test_another_program_reads_the_table_alone(outputs: Path, capsys: Capture) -> None:
    words = ["compare", "--rows", "data", "--cols", "model", "--value", "test/kl", "--csv"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "data,nice,nice/sd,nsf,nsf/sd"
    assert "failed: outputs/lost" in shown.err


def test_what_a_pivot_crosses_is_not_averaged_over(outputs: Path, capsys: Capture) -> None:
    words = ["compare", "--rows", "seed", "--cols", "model,data", "--value", "test/kl", "--csv"]
    assert main(words) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "seed,nice moons,nice rings,nsf moons,nsf rings"
    assert rows[0] == "0,0.2,0.2,0.1,0.1"
    assert [float(cell) for cell in rows[1].split(",")] == pytest.approx(
        [1, 0.21, 0.21, 0.11, 0.11]
    )


def test_runs_are_found_by_name(outputs: Path, capsys: Capture) -> None:
    assert main(["compare", "nsf-moons-1", "nice-moons-0", "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split(",")[:4] for row in rows] == [
        ["nice", "moons", "1", "0.2"],
        ["nsf", "moons", "1", "0.11"],
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such run; those below outputs are"),
        (["--rows", "model"], "--rows and --cols go with --value TAG"),
        (
            ["--value", "test/lk"],
            "--value test/lk: no run has this metric; did you mean 'test/kl'?",
        ),
        (
            ["--metrics", "test/lk"],
            "--metrics test/lk: no run has this metric; did you mean 'test/kl'?",
        ),
        (["--value", "test/kl", "--rows", "modle"], "--rows modle: no run has this key; did"),
        (["--value", "test/kl", "--cols", "dta"], "--cols dta: no run has this key; did you mean"),
        (["--html", "page.txt"], "--html page.txt: expected a file that ends in .html"),
        (["--figure", "x.png", "--html", "x.html"], "not allowed with argument"),
    ],
)
def test_mistakes(outputs: Path, capsys: Capture, words: list[str], message: str) -> None:
    assert main(["compare", *words]) == 2
    assert message in capsys.readouterr().err


def test_no_runs_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare"]) == 0
    assert "no finished runs below outputs" in capsys.readouterr().out


def test_the_page_holds_all_and_leads_nowhere(outputs: Path, capsys: Capture) -> None:
    assert main(["compare", "--html", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    text = Path("page.html").read_text()
    assert not re.search(r"https?:|//\w+\.\w|url\([^#]|@import", text)
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="(.*?)"', text))
    data = json.loads(re.search(r"const DATA = (.*);\n", text)[1])
    assert data["rows"][0][:3] == ["nice", "moons", "2"]
    assert data["rows"][0][3] == ["0.2050 ± 0.0071", pytest.approx(0.205), False]
    assert data["runs"][1]["curves"]["val/loss"] == [3.0, 2.6]
    assert data["figures"][0]["density"].startswith("data:image/webp;base64,")
    assert len(data["notes"]) == 2


def test_legends_say_which_setting_and_unlike_losses_have_axes_of_their_own(outputs: Path) -> None:
    for name, model, data, objective, trained in (
        ("plain", "nsf", "moons", "maximum_likelihood", {"compile": False}),
        ("compiled", "nsf", "moons", "maximum_likelihood", {"compile": True}),
        ("vae", "vae", "moons", "elbo", {"compile": True}),
        ("far", "nsf", "digits", "maximum_likelihood", {"compile": True}),
    ):
        choices = {"objective": objective}
        path = outputs / "b" / name
        synthetic_run(path, model=model, data=data, choices=choices, trainer=trained, metrics={})
    shutil.rmtree(outputs / "torn")
    assert main(["compare", "outputs/b", "--html", "page.html"]) == 0
    data = json.loads(re.search(r"const DATA = (.*);\n", Path("page.html").read_text())[1])
    assert data["names"] == [
        "nsf digits compile=true",
        "nsf moons compile=false",
        "nsf moons compile=true",
        "vae moons compile=true",
    ]
    assert data["subjects"] == [[0, "digits"], *[[1, "moons"]] * 3]
    assert data["losses"] == [*["maximum_likelihood"] * 3, "elbo"]


def test_a_script_in_a_name_is_text(outputs: Path) -> None:
    synthetic_run(outputs / "evil", data="</script><b>", metrics={"test/kl": 1.0})
    assert main(["compare", "--html", "page.html"]) == 0
    assert Path("page.html").read_text().count("</script>") == 1


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
def test_the_page_in_a_browser(outputs: Path) -> None:
    assert main(["compare", "--html", "page.html"]) == 0
    address = f"{Path('page.html').absolute().as_uri()}#filter=rings&sort=-test%2Fkl"
    shown = _dumped(address)
    body = re.search(r'<tbody id="body">(.*?)</tbody>', shown, re.DOTALL)[1]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in body.split("</tr>")[:-1]]
    assert [row[:4] for row in rows] == [
        ["nice", "rings", "2", "0.2050 ± 0.0071"],
        ["nsf", "rings", "2", "0.1050 ± 0.0071"],
    ]
    assert body.count("number best") == 1
    assert len(re.findall(r'points="\d', shown)) == 4, "two seeds each"
    assert shown.count('<img src="data:image/webp') == 2


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
def test_a_single_validation_is_a_dot_on_the_axis_of_its_loss(outputs: Path) -> None:
    shutil.rmtree(outputs)
    for model, objective, curve in (
        ("nsf", "maximum_likelihood", [2.5]),
        ("nice", "maximum_likelihood", [3.0, 2.0]),
        ("flow-matching", "flow_matching", [0.7, 0.6]),
    ):
        run = synthetic_run(
            outputs / model, model=model, choices={"objective": objective}, metrics={}
        )
        steps = [500 * (place + 1) for place in range(len(curve))]
        curves = {"step": steps, "seconds": steps, "val/loss": curve, "val/nll": curve}
        run.curves.write_text(json.dumps(curves))
    assert main(["compare", "--html", "page.html"]) == 0
    shown = _dumped(Path("page.html").absolute().as_uri())
    chart = shown[shown.index('id="chart"') : shown.index('id="tip"')]
    assert re.findall("<h3>(.*?)</h3>", chart) == [
        "moons, flow_matching",
        "moons, maximum_likelihood",
    ]
    first, second = chart.split("<svg")[1:]
    assert (first.count("<polyline"), first.count("<circle")) == (1, 0)
    assert (second.count("<polyline"), second.count("<circle")) == (1, 1)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
def test_rows_that_are_not_drawn_are_told(outputs: Path) -> None:
    shutil.rmtree(outputs)
    for number in range(14):
        synthetic_run(outputs / f"{number}", data=f"set{number}", metrics={})
    assert main(["compare", "--html", "page.html"]) == 0
    address = Path("page.html").absolute().as_uri()
    assert '<span id="drawn">12 of 14 rows are drawn below: ' in _dumped(address)
    assert '<span id="drawn"></span>' in _dumped(f"{address}#filter=set3")


def _dumped(address: str) -> str:
    """The page as a browser has it when its script has run."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000")
    command = [str(BROWSER), *options, "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_figure_of_models_by_targets(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    loaded: list[str] = []
    data = SimpleNamespace(target=Moons())

    def load(path: Path) -> SimpleNamespace:
        loaded.append(path.name)
        return SimpleNamespace(density=StandardNormal((2,)), data=data)

    monkeypatch.setattr("genlab.assembly.load", load)
    assert main(["compare", "--figure", "panel.png"]) == 0
    assert loaded == ["nice-moons-0", "nice-rings-0", "nsf-moons-0", "nsf-rings-0"]
    height, width, _ = imread("panel.png").shape
    assert 1.3 < width / height < 1.5, "the true density and two models, two targets"
    assert capsys.readouterr().out == "panel.png\n"

    def load_some(path: Path) -> SimpleNamespace:
        shape = (2,) if "moons" in path.name else (3,)
        return SimpleNamespace(density=StandardNormal(shape), data=data)

    monkeypatch.setattr("genlab.assembly.load", load_some)
    assert main(["compare", "--figure", "panel.png"]) == 0
    height, width, _ = imread("panel.png").shape
    assert 2.5 < width / height < 3, "one target is left"
    *_, left = capsys.readouterr().out.splitlines()
    assert left.startswith("shows solves, and densities in the plane; left out: outputs/")
    assert left.count("rings-0") == 2
    assert main(["compare", "--figure", "panel.png", "--where", "data=rings"]) == 2
    assert "--figure: shows solves, and densities in the plane; left out" in capsys.readouterr().err


def test_the_figures_of_solves(outputs: Path, capsys: Capture) -> None:
    shutil.rmtree(outputs)
    row = {"step": 1.0, "seconds": 1.0, "evaluations": 1e3, "residual": 1.0, "relative_l2": 0.1}
    for data, sharpness in (("peak", 100), ("peak", 1000), ("cavity", None)):
        for optimizer in ("adam", "levenberg_marquardt"):
            for seed in (0, 1):
                run = synthetic_run(
                    outputs / f"{data}-{sharpness}-{optimizer}-{seed}",
                    model="das-gmm",
                    data=data,
                    seed=seed,
                    metrics={},
                    command="solve",
                    choices={"optimizer": optimizer, "problem": data},
                    problem={} if sharpness is None else {"A": sharpness},
                )
                run.last.parent.mkdir()
                torch.save({"solve": {"history": [row]}}, run.last)
    assert main(["compare", "--figure", "costs.png", "--where", "problem.A=100"]) == 0
    assert capsys.readouterr().out == "costs.png\n"
    assert main(["compare", "--figure", "costs.png"]) == 0
    names = ["costs-cavity.png", "costs-peak-A=100.png", "costs-peak-A=1000.png"]
    assert sorted(capsys.readouterr().out.splitlines()) == names
    for name in names:
        height, width, _ = imread(name).shape
        assert 1.3 < width / height < 2, "two panels, and a legend below"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "limit"), [(100, 1.0), (1000, 2.0)])
def test_many_runs_are_read_at_once_without_torch(
    tmp_path: Path, number: int, limit: float
) -> None:
    for index in range(number):
        metrics = {"test/kl": 1 / (1 + index), "test/nll": 2.0, "test/kl/se": 0.01}
        model = ("nsf", "nice", "krnet", "vae", "cnf")[index % 5]
        run = synthetic_run(
            tmp_path / f"day{index % 7}" / str(index), model=model, seed=index // 5, metrics=metrics
        )
        if index % 50 == 0:
            run.manifest.write_text(run.manifest.read_text()[:100])
    command = [sys.executable, "-X", "importtime", "-m", "genlab", "compare", str(tmp_path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The time of the processor, which does not depend on what else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < limit
    assert shown.stdout.count("unreadable: ") == number // 50
    imported = {line.split("|")[-1].strip() for line in shown.stderr.splitlines()}
    assert not imported.intersection({"torch", "hydra", "rich", "matplotlib", "pandas", "numpy"})
