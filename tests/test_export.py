"""What leaves genlab: folders that give the model again, and programs that run without it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import torch
from exported import SIZES, answers
from properties import MODELS
from small import SMALL, small_experiment

import genlab
from genlab.assembly import Exported, Training
from genlab.assembly.export.card import card
from genlab.assembly.export.fixed import apart
from genlab.assembly.export.folder import export
from genlab.assembly.export.noise import Given, UnexportableError, noise_of, sample_from
from genlab.assembly.export.preprocessing import described, made
from genlab.bijections import (
    Argmax,
    Compose,
    HalfLine,
    LogitTransform,
    LULinear,
    OnCoordinates,
    PosteriorStandardise,
    Probit,
    SpectralStandardise,
    SpectralStandardiseGiven,
    Standardise,
    UnitBox,
)
from genlab.cli.main import main
from genlab.densities import Density
from genlab.errors import RunError, UserError
from genlab.runs.files import atomic_folder, read_json, write_json

Capture = pytest.CaptureFixture[str]

# Each family, with its context and its type; whether it takes seconds to export.
QUICK = ["nice-none-f64", "gmm-vector-f32", "vae-label-f64"]
LONG = [
    *("realnvp-vector-f32", "krnet-label-f64", "nsf-none-f32", "resflow-none-f64"),
    *("cnf-vector-f64", "flow-matching-label-f32", "gmm-label-f64", "vae-none-f32"),
    *("realnvp-none-f64", "resflow-roulette-vector-f32", "gmm-low-rank-none-f64"),
    *("torus-nsf-none-f64", "torus-cnf-none-f32", "torus-vae-none-f64"),
]
# What a program may be off: rounding, and what equal steps leave.
ROUNDING = {"f32": 2e-5, "f64": 1e-10}
STEPS = 1e-4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Training:
    torch.manual_seed(0)
    experiment = small_experiment(tmp_path_factory.mktemp("outputs"), "trainer.max_steps=20")
    experiment.fit()
    return experiment


@pytest.fixture(scope="module")
def folder(run: Training, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "moons"
    export(run, path, license="mit")
    return path


@pytest.fixture(scope="module")
def quick_answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return answers(tmp_path_factory.mktemp("programs"), QUICK)


@pytest.fixture(scope="module")
def long_answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return answers(tmp_path_factory.mktemp("programs"), LONG)


def check(found: dict[str, object], case: str, what: str) -> None:
    answer = found[f"{case} {what}"]
    if case.startswith("torus-vae") and what == "sample":
        assert "draws again what it rejects" in str(answer)
        return
    assert isinstance(answer, dict), answer
    assert len(answer["off"]) == len(SIZES)
    if "roulette" in case and what == "log_prob":
        return  # exact, where the model estimates
    stepped = case.startswith(("cnf", "flow-matching", "torus-cnf", "resflow"))
    assert max(answer["off"]) < (STEPS if stepped else ROUNDING[case[-3:]])
    assert answer["refuses"]


@pytest.mark.parametrize("what", ["log_prob", "sample"])
@pytest.mark.parametrize("case", QUICK)
def test_programs_are_the_model(quick_answers: dict[str, object], case: str, what: str) -> None:
    check(quick_answers, case, what)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["log_prob", "sample"])
@pytest.mark.parametrize("case", LONG)
def test_programs_of_every_family(long_answers: dict[str, object], case: str, what: str) -> None:
    check(long_answers, case, what)


# Families whose draws are one after another the numbers that a generator gives.
@pytest.mark.parametrize(
    "name", ["nice", "krnet-plain", "krnet-box", "resflow", "vae", "torus-nsf"]
)
def test_noise_makes_the_model_s_own_samples(name: str) -> None:
    model = MODELS[name](2).double().eval()
    noise = noise_of(model)
    source, own = (torch.Generator().manual_seed(3) for _ in range(2))
    drawn = [one.draw(20, source, torch.empty((), dtype=torch.float64)) for one in noise]
    with torch.no_grad():
        made_of = sample_from(model, noise, drawn)
    torch.testing.assert_close(made_of, model.sample(20, generator=own))


def test_a_uniform_number_chooses_a_part_by_its_weight() -> None:
    weights = torch.tensor([0.0, 0.2, 0.5, 0.0, 0.3, 0.0])
    u = (torch.arange(1000) + 0.5) / 1000
    with Given([u]):
        part = torch.multinomial(weights, 1000, True)
    assert part.bincount(minlength=6).tolist() == [0, 200, 500, 0, 300, 0]
    with Given([torch.tensor([0.0, 0.999999])]):
        rows = torch.multinomial(torch.stack((weights, weights.flip(0))), 1)
    assert rows.tolist() == [[1], [4]]


def test_what_cannot_be_given_is_said() -> None:
    class Poisson(genlab.densities.StandardNormal):
        def _sample(self, n: int, context: object, generator: object) -> torch.Tensor:
            return torch.poisson(torch.ones(n, 2))

    with pytest.raises(UnexportableError, match="`poisson`"):
        noise_of(Poisson((2,)))

    class Wide(genlab.densities.StandardNormal):
        def _sample(self, n: int, context: object, generator: object) -> torch.Tensor:
            return torch.empty(n, 2).uniform_(-1, 1)

    class InPlace(genlab.densities.StandardNormal):
        def _sample(self, n: int, context: object, generator: object) -> torch.Tensor:
            x = torch.zeros(n, 2)
            x.normal_()
            return x

    for kind in (Wide, InPlace):
        with pytest.raises(UnexportableError, match="not made of standard normal and uniform"):
            noise_of(kind((2,)))
    with pytest.raises(UnexportableError, match="draws again what it rejects"):
        noise_of(MODELS["torus-vae"](2))


def test_a_folder_gives_the_model_again(run: Training, folder: Path) -> None:
    before = torch.get_rng_state()
    exported = genlab.load(folder)
    assert isinstance(exported, Exported)
    assert torch.equal(torch.get_rng_state(), before)
    x = run.data.test.x
    assert torch.equal(exported.model.log_prob(x), run.model.log_prob(x))
    assert exported.density is exported.model
    assert not exported.model.training
    assert exported.metrics == run.metrics
    assert exported.columns is None
    assert repr(exported) == f"Exported realnvp on moons: {folder}"
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    assert weights.keys() == run.model.state_dict().keys()
    assert {path.name for path in (folder / "figures").iterdir()} >= {"density.png"}
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_the_hub_reads_the_card(folder: Path, run: Training) -> None:
    read = huggingface_hub.ModelCard.load(folder / "README.md")
    assert read.data.license == "mit"
    assert read.data.library_name == "genlab"
    assert "realnvp" in read.data.tags
    results = {result.metric_name: result.metric_value for result in read.data.eval_results}
    assert results["test/nll"] == run.metrics["test/nll"]
    assert {result.dataset_name for result in read.data.eval_results} == {"moons"}
    assert "A density of vectors of 2 numbers, learned from moons by realnvp" in read.text
    assert "![density](figures/density.png)" in read.text
    (code,) = re.findall(r"```python\n(.*?)```", read.text, re.DOTALL)
    space: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, space)
    assert len(space["log_p"]) == 5  # type: ignore[arg-type]


def test_a_hub_s_model_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object, list[str]]] = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert isinstance(genlab.load("hf://me/moons"), Exported)
    assert isinstance(genlab.load("hf://me/moons@v2"), Exported)
    files = ["config.json", "model.safetensors"]
    assert asked == [("me/moons", None, files), ("me/moons", "v2", files)]
    with pytest.raises(UserError, match="expected hf://USER/NAME"):
        genlab.load("hf://moons")


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "genlab.targets.Custom", "genlab.runs.files.shutil.rmtree"),
        *("genlab.data.TableData", "genlab.models.vae.math.exp"),
    ],
)
def test_a_hub_s_model_runs_no_code_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    theirs = shutil.copytree(folder, tmp_path / "theirs")
    config = read_json(theirs / "config.json")
    config["model"]["network"] = {"_target_": target}
    write_json(theirs / "config.json", config)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(theirs))
    with pytest.raises(UserError, match=f"names {target}, which is no model of genlab"):
        genlab.load("hf://me/moons")


def test_a_hub_s_settings_are_no_questions(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Resolved, it is a node that names code.
    theirs = shutil.copytree(folder, tmp_path / "theirs")
    config = read_json(theirs / "config.json")
    config["model"]["layers"] = "${oc.create:{_target_: builtins.exit}}"
    write_json(theirs / "config.json", config)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(theirs))
    with pytest.raises(UserError, match="ask for values of this machine"):
        genlab.load("hf://me/moons")


def test_what_reading_lacks_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be fetched"):
        genlab.load("hf://me/what is this")
    monkeypatch.setattr("genlab.assembly.export.exported.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs safetensors; pip install"):
        genlab.load(folder)


def test_only_exports_are_replaced(run: Training, folder: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(folder, tmp_path / "clone")
    (clone / ".git").mkdir()
    with pytest.raises(UserError, match=r"would remove .git, which no export has written"):
        export(run, clone, force=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    with pytest.raises(UserError, match="and this is none"):
        export(run, other, force=True)
    assert (clone / ".git").is_dir()
    assert (other / "config.json").is_file()


def test_a_number_that_is_none_is_far_from_any() -> None:
    found, truth = torch.tensor([[1, 2, 0, 0], [3, 2, -1, 0]]).float()
    found[2:], truth[3] = torch.tensor([torch.nan, -torch.inf]), -torch.inf
    assert apart(found, truth).tolist() == [2, 0, torch.inf, 0]


def test_damaged_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="damaged"):
        genlab.load(broken)
    config = read_json(folder / "config.json")
    write_json(broken / "config.json", {k: v for k, v in config.items() if k != "precision"})
    with pytest.raises(RunError, match="damaged, it has no precision"):
        genlab.load(broken)
    write_json(broken / "config.json", config | {"format": 99})
    with pytest.raises(UserError, match="format 99 of genlab"):
        genlab.load(broken)
    write_json(broken / "config.json", {"library": "another"})
    with pytest.raises(UserError, match="another"):
        genlab.load(broken)


@pytest.mark.parametrize(
    "layer",
    [
        Standardise((3,), untouched=[1]),
        SpectralStandardise(torch.rand(1, 5, 5) + 1, alike="modes"),
        SpectralStandardiseGiven(torch.rand(3, 1, 5, 5) + 1),
        PosteriorStandardise(torch.rand(1, 5, 5) + 1, factor=5, alike="modes"),
        LogitTransform(0.05),
        Compose([LogitTransform(0.1), Standardise((1, 4, 4))]),
        OnCoordinates(HalfLine([0.0, 2.0], upward=[True, False]), [2, 0], 3),
        OnCoordinates(Probit(UnitBox([[0.0, 1.0], [-1.0, 3.0]], 2)), [0, 1], 3),
        Compose([OnCoordinates(Argmax(3), [0, 1, 2], 3), OnCoordinates(Probit(), [1], 3)]),
    ],
)
def test_preprocessing_is_made_again(layer: Standardise) -> None:
    node = json.loads(json.dumps(described(layer)))
    again = made(node)
    assert again is not None
    again.load_state_dict(layer.state_dict())
    fields = ("spectral_standardise", "spectral_standardise_given", "posterior_standardise")
    images = dict.fromkeys(fields, (1, 5, 5))
    images |= dict.fromkeys(("logit", "compose"), (1, 4, 4))
    flat = "places" in str(node) or node["kind"] == "standardise"
    x, c = torch.rand(7, *((3,) if flat else images[node["kind"]])), torch.rand(7, 1)
    assert torch.equal(layer(x, c)[0], again(x, c)[0])


def test_other_preprocessing_is_refused() -> None:
    with pytest.raises(UserError, match="a LULinear brings to the model's units"):
        described(LULinear(2))
    with pytest.raises(UserError, match="kind=logits; did you mean 'logit'"):
        made({"kind": "logits"})


def test_a_card_of_conditions_and_programs(folder: Path) -> None:
    config = read_json(folder / "config.json")
    config["context"] = {"dim": 2, "labels": 0, "columns": ["a", "b"], "label_names": []}
    config["programs"] = {
        "log_prob": {
            "file": "log_prob.pt2",
            "inputs": [{"name": "x", "shape": ["n", 2], "dtype": "float32"}],
            "solver": {"method": "rk4", "steps": 8},
            "points": 100,
            "max_difference": 2e-5,
        },
        "sample": {"reason": "it draws again"},
    }
    text = card(config, license="unknown", figures=[])
    assert "given 2 numbers (a, b)" in text
    assert "the ODE by 8 equal steps of rk4" in text
    assert "within 2.0e-05 nats of those of `genlab score`" in text
    assert "- `sample`: none: it draws again" in text
    config["context"] = {"dim": 0, "labels": 3, "columns": [], "label_names": ["u", "v", "w"]}
    assert "given one of 3 classes (u, v, w)" in card(config, license="mit", figures=[])


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with suppress(ZeroDivisionError), atomic_folder(place) as draft:
        (draft / "part").write_text("half")
        raise ZeroDivisionError
    assert not [*tmp_path.iterdir()]
    for text in ("old", "new"):
        with atomic_folder(place) as draft:
            (draft / "file").write_text(text)
    with pytest.raises(ZeroDivisionError), atomic_folder(place):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (place / "file").read_text() == "new"
    with pytest.raises(RunError, match="cannot be written"), atomic_folder(tmp_path / "no" / "m"):
        pass


def test_the_command(
    run: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert run.directory is not None
    monkeypatch.chdir(tmp_path)
    source = str(run.directory.path)
    assert main(["export", source, "-o", "moons"]) == 0
    assert capsys.readouterr().out.endswith("wrote moons\n")
    for words, answer in (
        (["-o", "moons"], "-o moons: is there already; another folder, or --force to replace it"),
        (["-o", "no/moons"], "does not exist or cannot be written"),
        (["-o", "m", "--onnx"], "export --onnx: is about programs; add --program"),
        (["-o", ".", "--force"], "-o .: --force replaces an exported model, and this is none"),
        (["-o", "m", "--program", "--dtype", "float16"], "invalid choice: 'float16'"),
    ):
        assert main(["export", source, *words]) == 2
        assert answer in capsys.readouterr().err
    assert main(["export", source, "-o", "moons", "--force", "--license", "cc0-1.0"]) == 0
    assert "license: cc0-1.0" in Path("moons/README.md").read_text()


def test_a_solve_is_refused(tmp_path: Path, folder: Path) -> None:
    solve = genlab.experiment(problem="peak", command="solve")
    with pytest.raises(UserError, match="takes a run of `genlab train`"):
        export(solve, tmp_path / "peak")
    assert not (tmp_path / "peak").exists()


@pytest.mark.slow
def test_programs_and_onnx_of_a_run(tmp_path: Path, start: Callable[..., str]) -> None:
    words = ["train", "model=realnvp", "data=moons", *SMALL, "trainer.max_steps=20"]
    start(*words)
    out = start("export", "latest", "-o", "moons", "--program", "--onnx", "--dtype", "float64")
    assert re.search(
        r"log_prob: log_prob.pt2, log_prob.onnx, float64, within (0.0e\+00|\d.\de-1\d) nats", out
    )
    assert "sample: sample.pt2" in out
    model = genlab.load(tmp_path / "moons").model.double()
    assert isinstance(model, Density)
    x = torch.randn(30, 2, dtype=torch.float64)
    # An interpreter of its own, in numpy.
    from onnx.reference import ReferenceEvaluator

    (found,) = ReferenceEvaluator(str(tmp_path / "moons/log_prob.onnx")).run(None, {"x": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model.log_prob(x).detach())


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., str]:
    """Runs a command of genlab in a process and a folder of its own; what it prints."""
    import subprocess
    import sys

    def command(*words: str) -> str:
        line = [sys.executable, "-W", "ignore", "-m", "genlab", *words]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return command
