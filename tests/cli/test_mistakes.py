"""Mistakes of every kind: each is answered in at most three lines, and most without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import genlab
from genlab.cli.main import main
from genlab.errors import ArgumentError, UserError

OLD = Path(__file__).parent.parent / "runs" / "old"
# Seconds that an answer may take where torch has nothing to say.
AT_ONCE = 1.5


def npy(array: np.ndarray) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


FILES: dict[str, bytes] = {
    "good.csv": b"a,b\n" + b"".join(b"%d.5,%d.25\n" % (i, i * i) for i in range(20)),
    "torn.csv": b"a,b\n1,2\n3\n",
    "empty.csv": b"",
    "text.csv": b"a,b\n1,x\n2,y\n3,z\n",
    "angles.csv": b"phi,psi\n"
    + b"".join(b"%d,%d\n" % (i * 37 % 101, i * i % 97) for i in range(20)),
    "fields.npy": npy(np.arange(2160.0).reshape(20, 3, 6, 6)),
    "complex.npy": npy(np.ones((20, 6, 6), complex)),
    "torn.h5": b"\x89HDF\r\n\x1a\n and then nothing",
    "bad.npy": b"\x93NUMPY and then nothing",
    "bad.py": b"def sample(n, g:\n    pass\n",
    "box.py": b"box = [[1, -1]]\ndef residual(x, u): return u.laplacian\n",
}

# The command line, and how the answer begins. OLD stands for a run that was stopped, TORN for one
# without its checkpoint.
MISTAKES: dict[str, str] = {
    # words
    "trian": "trian: no such command; did you mean 'train'?",
    "model=nsf": "model=nsf: a setting, not a command; `genlab train model=nsf` takes it",
    "train model": "model: expected KEY=VALUE",
    "train --mulitrun": "train: unrecognized arguments: --mulitrun; did you mean '--multirun'?",
    "train seed=1,2": "seed=1,2: several values; add -m to run each",
    "train --dry-run": "--dry-run: goes with -m",
    "train hydra/launcher=joblib": "hydra/launcher=joblib: goes with -m, a sweep",
    "train hydra.launcher=joblib": "hydra.launcher=joblib: goes with -m, a sweep",
    "train -m hydra.launcher=joblib seed=1,2": "hydra.launcher=joblib: no such key; write hydra/la",
    # groups
    "train model=realnvpp": "model: no 'realnvpp'; did you mean 'realnvp'?",
    "train data=moon": "data: no 'moon'; did you mean 'moons'?",
    "train sampler=das": "sampler=das: no choice of `genlab train`; `genlab solve` has it",
    "solve problem=peek": "problem: no 'peek'; did you mean 'peak'?",
    "solve sampler=uniform model=nsf": "model=nsf: nothing uses it; UniformSampler learns no model",
    "train model=gmm optimizer=sgd": "optimizer=sgd: nothing uses it; EM has no optimizer",
    "train experiment=thorogh": "experiment: no 'thorogh'; did you mean 'thorough'?",
    # keys
    "train model.layrs=3": "model.layrs=3: no 'layrs' in model; did you mean 'layers'?",
    "train +model.layrs=3": "model.layrs=3: RealNVP takes no 'layrs'; did you mean 'layers'?",
    "train model.components=3": "model.components=3: no 'components' in this model; choose model=",
    "solve problem.n_pts=5": "problem.n_pts=5: no 'n_pts' in problem; did you mean 'n_points'?",
    "train suggested.lr=1": "suggested.lr=1: filled by genlab, cannot be set; write optimizer.lr=1",
    # bounds
    "train model.layers=0": "model.layers=0: expected an integer, at least 1",
    "train optimizer.lr=-1": "optimizer.lr=-1: expected a number, at least 0",
    "train optimizer.betas=[0.9,1]": "optimizer.betas=[0.9, 1]: expected a list of numbers, each",
    "train seed=-1": "seed=-1: expected an integer, at least 0",
    "train trainer.ema=1": "trainer.ema=1: expected a number, at least 0 and less than 1, or null",
    "solve problem.n_points=0": "problem.n_points=0: expected an integer, at least 1",
    # types
    "train model.layers=many": "model.layers=many: expected an integer, at least 1",
    "train model.hidden=64": "model.hidden=64: expected a list of integers, each at least 1",
    "train model.hidden={a:1}": "model.hidden={a:1}: expected a list",
    "train model.hidden.a=3": "model.hidden.a=3: model.hidden is one value, without",
    "train logger.tensorboard=[a]": "logger.tensorboard=[a]: expected keys with values",
    "train data=table data.path=[a]": "data.path=[a]: expected text",
    "train data=table data.path=null": "data.path=null: expected text",
    "train data=fields data.path=null": "data.path=null: expected text",
    "train data=torsions data.path=null": "data.path=null: expected text",
    "train data=image_folder data.path=null": "data.path=null: expected text",
    "train data=rna_torsions data.condition=residue data.root=null": "data.root=null: expected tex",
    "train trainer.max_steps=1e4": "trainer.max_steps=10000.0: expected an integer, at least 1",
    "train trainer.compile=yes": "trainer.compile=yes: expected true or false",
    # choices
    "train model.activation=rleu": "model.activation=rleu: expected relu, ",
    "train model=gmm model.covariance=ful": "model.covariance=ful: expected full, ",
    "train trainer.precision=33-true": "trainer.precision=33-true: expected 32-true, ",
    "train trainer.precision=16-mixed": "trainer.precision=16-mixed: in float16 gradients under",
    "solve trainer.precision=bf16-true": "trainer.precision=bf16-true: a log-density summed in bf",
    "solve trainer.precision=bf16-mixed": "trainer.precision=bf16-mixed: a solve takes second",
    "solve trainer.num_nodes=2": "trainer.num_nodes=2: a solve runs on one device; use trainer",
    "train model=flow-matching model.source=moon": "model.source=moon: no such source; did you",
    # files
    "train data=table": "data.path: missing; set it by data.path=VALUE",
    "train data=table data.path=no.csv": "data.path=HERE/no.csv: no such file; ",
    "train data=table data.path=torn.csv": "data.path=HERE/torn.csv: line 3 has 1 cells",
    "train data=table data.path=empty.csv": "data.path=HERE/empty.csv: holds no rows",
    "train data=table data.path=text.csv": "data.path=HERE/text.csv: column 'b' holds text ('x')",
    "train data=table data.path=bad.npy": "data.path=HERE/bad.npy: not an array that numpy can",
    "train data=table data.path=bad.npy data.header=false": "data.header=false: a text alone has",
    "train data=table data.path=good.csv data.columns=[c]": "data.columns: no column 'c'; choose",
    "train data=table data.path=good.csv data.log={a:1}": "data.log={a:1}: expected a list",
    "train data=table data.path=good.csv data.log=a": "data.log=a: expected a list of texts or int",
    "train data=table data.path=good.csv data.drop=null": "data.drop=null: expected a list; write",
    "train data=table data.path=good.csv data.weight=[a]": "data.weight=[a]: expected text, an i",
    "train data=table data.path=good.csv data.bounds=[a]": "data.bounds=[a]: expected keys with v",
    "train data=table data.path=good.csv data.bounds={a:[0,b]}": "data.bounds={a: [0, 'b'",
    "train data=table data.path=good.csv data.train_size=99": "data.train_size=99: there are 16",
    "train data=table data.path=angles.csv data.degrees=true": "data.degrees=true: no column is an",
    "train data=fields data.path=torn.h5": "data.path=HERE/torn.h5: not an HDF5 file that can be",
    "train data=fields data.path=complex.npy": "data.path=HERE/complex.npy: holds no fields in the",
    "train data=fields data.path=fields.npy data.lag=-1": "data.lag=-1: expected an integer, at ",
    "show torn.h5": "torn.h5: not an HDF5 file that can be read (",
    "train data=custom data.file=no.py": "data.file=HERE/no.py: no such file; ",
    "train data=custom data.file=bad.py": "data.file=HERE/bad.py, line 1: SyntaxError: ",
    "train data=image_folder data.path=no": "data.path=HERE/no: no such folder",
    "train data=digits data.condition=low_resolution data.factor=3": "data.factor=3: expected a",
    "train data=digits model.layers=0": "model.layers=0: expected an integer, at least 1",
    "train data=gaussian_field data.size=0": "data.size=0: expected an integer, at least ",
    "train data=torus data.dim=0": "data.dim=0: expected an integer, at least ",
    # boxes
    "train model=krnet model.bounded=[4,-4]": "model.bounded=[4, -4]: expected [low, high] with",
    "solve problem=custom problem.file=box.py": "problem.file=HERE/box.py, line 1: box is [[1",
    # runs
    "train trainer.warm_start=no": "trainer.warm_start=no: no such run; ",
    "train data=pinn_residual data.run=no": "data.run=no: no such run; ",
    "show no": "no: no such run; ",
    "resume OLD model=nsf": "model=nsf: cannot change when a run is resumed; a new run, with all",
    "resume OLD model.layers=3": "model.layers=3: cannot change when a run is resumed; a new run,",
    "resume OLD trainer.max_step=3": "trainer.max_step: no 'max_step' in trainer; did you mean",
    "resume TORN": "HERE/torn: no checkpoint to go on from",
    "rerun OLD model.layers=0": "model.layers=0: expected an integer, at least 1",
    "rerun OLD trainer.warm_start=no": "trainer.warm_start=no: no such run; ",
    "tune optimizer.lr=interval(1,2) trainer.precision=16-mixed": "trainer.precision=16-mixed: in ",
    "sample OLD -n 0": "sample: argument -n: expected a positive whole number, got '0'",
    "compare no": "no: no such ",
    "evaluate no": "no: no such run; ",
    "train -m seed=1,2 model.layers=0": "model.layers=0: expected an integer, at least 1",
}
# What torch alone can tell; Lightning is not asked.
BY_TORCH: dict[str, str] = {
    "train trainer=gpu": "trainer.accelerator=gpu: this machine has no such device; use trainer.",
    "train trainer.accelerator=mps": "trainer.accelerator=mps: this machine has no such device;",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all these files and runs."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    shutil.copytree(OLD / "interrupted", tmp_path / "torn")
    (tmp_path / "torn" / "checkpoints" / "last.ckpt").unlink()
    return tmp_path


def words_of(line: str, here: Path) -> list[str]:
    """The words of a command line, its stand-ins replaced."""
    runs = {"OLD": str(OLD / "interrupted"), "TORN": str(here / "torn")}
    return [runs.get(word, word) for word in line.split()]


def check_answer(answer: str, begin: str, here: Path) -> None:
    """At most three lines, of which the first begins as it should."""
    assert answer.startswith(f"genlab: {begin.replace('HERE', str(here))}")
    assert len(answer.splitlines()) <= 3


@pytest.mark.parametrize("line", [*MISTAKES, *BY_TORCH])
def test_a_mistake_is_answered(
    line: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert main(words_of(line, here)) == 2
    printed = capsys.readouterr()
    check_answer(printed.err, (MISTAKES | BY_TORCH)[line], here)
    assert printed.out == ""
    assert not (here / "outputs").exists()


def test_there_are_forty() -> None:
    assert len(MISTAKES) >= 40


# Answers each line in a process of its own, with what the first one has imported; what that took
# counts for all of them.
PROGRAM = """
import contextlib, io, json, os, sys, time

def answer(words):
    start = time.process_time()
    from genlab.cli.main import main
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        status = main(words)
    loaded = sorted({"torch", "lightning"} & sys.modules.keys())
    return status, time.process_time() - start, loaded, shown.getvalue()

_, before, _, _ = answer(["train", "model=realnvpp"])
for words in json.loads(sys.argv[1]):
    if os.fork() == 0:
        status, seconds, *found = answer(words)
        print(json.dumps([status, before + seconds, *found]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
def test_torch_is_asked_only_where_it_knows(here: Path) -> None:
    """By the processor's seconds, of three answers the fastest."""
    slow, tries = [*MISTAKES], 0
    while slow and tries < 3:
        words = json.dumps([words_of(line, here) for line in slow])
        command = [sys.executable, "-c", PROGRAM, words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        answers = dict(zip(slow, map(json.loads, done.stdout.splitlines()), strict=True))
        for line, (status, _, loaded, shown) in answers.items():
            assert (status, loaded) == (2, []), line
            check_answer(shown, MISTAKES[line], here)
        slow = [line for line, (_, seconds, *_) in answers.items() if seconds >= AT_ONCE]
        tries += 1
    assert slow == []


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (({"model": "nsf"},), {}, "experiment: expected words such as 'model=nsf', got a dict; se"),
        ((3,), {}, "experiment: expected words such as 'model=nsf', got a int; settings are given"),
        ((), {"command": "slove"}, "command=slove: no such command; did you mean 'solve'?"),
        ((), {"model": {"layers": 0}}, "model.layers=0: expected an integer, at least 1"),
        (("model=nsf",), {"model": "nice"}, "model=nsf: given twice, as model=nice too"),
        ((), {"modle": "nsf"}, "modle=nsf: no 'modle'; did you mean 'model'?"),
    ],
)
def test_an_experiment_in_python(
    arguments: tuple[object, ...], settings: Mapping[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        genlab.experiment(*arguments, **settings)  # type: ignore[call-overload]
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: genlab.models.NSF(2, bins=0), "bins=0: expected an integer, at least 1"),
        (lambda: genlab.models.NSF(2, hidden=64), "hidden=64: expected a list of integers, each"),
        (lambda: genlab.models.NSF(2, activation="rleu"), "activation=rleu: expected relu, "),
        (lambda: genlab.models.NSF(2, bound=-1), "bound=-1: expected a number, greater than 0"),
        (lambda: genlab.models.VAE(0), "event_shape=0: expected an integer, at least 1, or a list"),
        (lambda: genlab.models.KRNet(2, bounded=(1, -1)), "bounded=[1, -1]: expected [low, high]"),
        (lambda: genlab.targets.Moons(noise=-1), "noise=-1: expected a number, greater than 0"),
        (lambda: genlab.objectives.ELBO(importance_samples=0), "importance_samples=0: expected an"),
    ],
)
def test_a_constructor_in_python(make: object, message: str) -> None:
    """By the same annotations as from the command line."""
    with pytest.raises(ArgumentError) as caught:
        make()  # type: ignore[operator]
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) <= 2


def test_families_that_have_angles_are_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "data=torus", "model=krnet"]) == 2
    check_answer(capsys.readouterr().err, "model: KRNet takes angles (0, 1) for numbers", here)
    assert main(["train", "data=torus", "model=realnvp"]) == 2
    assert "model=nice, model=nsf, model=vae" in capsys.readouterr().err
