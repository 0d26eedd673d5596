"""Launchers, the real ones: the same numbers in other processes, and what becomes of jobs there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import TABLE, write_table

from genlab.cli.main import main
from genlab.runs.files import read_json

Capture = pytest.CaptureFixture[str]
Metrics = dict[str, float | None]

JOB = [*TABLE, "+callbacks.trouble._target_=trouble.Trouble"]
# A callback that ends a run, or its whole process; `beside` is at work while another dies, and
# `requeue` is asked to save as submitit asks, once.
TROUBLE = """
import os, signal, time
from pathlib import Path

from lightning.pytorch.callbacks import Callback

BESIDE = Path("beside")


class Trouble(Callback):
    def __init__(self, what):
        self.what = what

    def on_train_start(self, trainer, learner):
        if self.what == "raise":
            raise ArithmeticError("no number")
        if self.what == "beside" and not BESIDE.exists():
            BESIDE.touch()
            time.sleep(60)
        if self.what == "die":
            while not BESIDE.exists():
                time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_batch_start(self, trainer, learner, batch, index):
        if self.what == "requeue" and learner.step and not Path("queued").exists():
            Path("queued").touch()
            os.kill(os.getpid(), signal.SIGUSR2)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a table and a callback."""
    folder = tmp_path_factory.mktemp("user")
    write_table(folder)
    (folder / "trouble.py").write_text(TROUBLE)
    return folder


@pytest.fixture
def here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.chdir(folder)
    # The command adds the present folder.
    monkeypatch.setattr(sys, "path", [*sys.path])
    return monkeypatch


@pytest.fixture
def alone(here: pytest.MonkeyPatch, tmp_path: Path) -> Metrics:
    """The metrics of a run in this process."""
    assert main(["train", *JOB, "+callbacks.trouble.what=nothing", f"outputs={tmp_path}"]) == 0
    (path,) = tmp_path.glob("*/*/metrics.json")
    return without_times(path)


def sweep(outputs: Path, launcher: str, *overrides: str) -> int:
    words = [*JOB, f"outputs={outputs}", f"hydra/launcher={launcher}", *overrides]
    return main(["train", "-m", *words])


def without_times(path: Path) -> Metrics:
    return {tag: value for tag, value in read_json(path).items() if not tag.startswith("time/")}


def states(shown: str) -> list[str]:
    """How the table says that each job ended, in their order."""
    return re.findall(r"^\d+ +\S+ +(\w+)", shown, re.MULTILINE)


@pytest.fixture
def pool() -> Iterator[None]:
    """The workers of joblib would stay, with threads beside which no later test could fork."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    from joblib.externals.loky import get_reusable_executor

    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.mark.slow
@pytest.mark.usefixtures("pool")
def test_joblib(here: pytest.MonkeyPatch, alone: Metrics, tmp_path: Path, capsys: Capture) -> None:
    """One job kills the workers under it and another, which is told from it and comes through."""
    whats = "+callbacks.trouble.what=beside,die,nothing,raise"
    assert sweep(tmp_path / "many", "joblib", whats, "hydra.launcher.n_jobs=2") == 1
    shown = capsys.readouterr()
    assert states(shown.out) == ["done", "killed", "done", "failed"]
    assert "ArithmeticError: no number" in shown.out
    assert "genlab: 2 of 4 jobs came to nothing" in shown.err
    found = sorted(tmp_path.glob("many/*/*-sweep/*/metrics.json"))
    assert [path.parent.name for path in found] == ["0", "2"]
    assert [without_times(path) for path in found] == [alone, alone]


@pytest.mark.slow
@pytest.mark.usefixtures("pool")
def test_long_runs_are_compiled_and_repeat_to_the_bit(
    here: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In this process and in two others, each time from an empty cache."""
    long = ("seed=0,1", "trainer.max_steps=3000", "trainer.val_every=3000")
    found = []
    for launcher, options in (("basic", ()), ("joblib", ("hydra.launcher.n_jobs=2",))):
        here.setenv("GENLAB_CACHE", str(tmp_path / launcher / "cache"))
        nothing = "+callbacks.trouble.what=nothing"
        assert sweep(tmp_path / launcher, launcher, nothing, *long, *options) == 0
        runs = sorted(tmp_path.glob(f"{launcher}/*/*-sweep/*/run.json"))
        assert [read_json(run).get("compiled_from") for run in runs] == [0, 0]
        found.append([without_times(run.with_name("metrics.json")) for run in runs])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


@pytest.mark.slow
def test_submitit_here(
    here: pytest.MonkeyPatch, alone: Metrics, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    Path("beside").touch()
    whats = "+callbacks.trouble.what=nothing,die,requeue"
    assert sweep(tmp_path / "many", "submitit_local", whats) == 1
    assert states(capsys.readouterr().out) == ["done", "killed", "done"]
    found = sorted(tmp_path.glob("many/*/*-sweep/*/metrics.json"))
    assert [path.parent.name for path in found] == ["0", "2"]
    assert [without_times(path) for path in found] == [alone, alone]
    assert "interrupted at step 4" in found[1].with_name("run.log").read_text()


@pytest.mark.slow
def test_ray_on_two_nodes(
    here: pytest.MonkeyPatch, alone: Metrics, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        cluster.wait_for_nodes()
        address = f"hydra.launcher.ray.init.address={cluster.address}"
        whats = "+callbacks.trouble.what=nothing,raise"
        assert sweep(tmp_path / "many", "ray", whats, address) == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert states(capsys.readouterr().out) == ["done", "failed"]
    (found,) = tmp_path.glob("many/*/*-sweep/*/metrics.json")
    assert without_times(found) == alone


@pytest.fixture
def cluster(here: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The programs of Slurm, of which the one that takes jobs refuses them; what it was given."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    given = tmp_path / "sbatch.sh"
    programs = {
        "srun": "",
        "sbatch": f'cp "$1" {given}; echo "sbatch: error: no such account" >&2; exit 1',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    here.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return given


def test_what_slurm_is_asked_for(cluster: Path, tmp_path: Path, capsys: Capture) -> None:
    asked = {
        "timeout_min": ("90", "time=90"),
        "mem_gb": ("6", "mem=6GB"),
        "gpus_per_node": ("1", "gpus-per-node=1"),
        "partition": ("long", "partition=long"),
        "account": ("me", "account=me"),
    }
    words = [f"hydra.launcher.{key}={value}" for key, (value, _) in asked.items()]
    words += ["+callbacks.trouble.what=nothing", "trainer.threads=3"]
    words += ["hydra.launcher.setup=[module load python]"]
    assert sweep(tmp_path / "many", "submitit_slurm", *words) == 1
    lines = cluster.read_text().splitlines()
    for _, line in asked.values():
        assert f"#SBATCH --{line}" in lines
    assert {"#SBATCH --cpus-per-task=3", "#SBATCH --job-name=genlab"} < {*lines}
    assert "module load python" in lines
    assert sys.executable in lines[-1]
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line == (
        "genlab: hydra/launcher=submitit_slurm: FailedJobError: sbatch: error: no such account"
    )


@pytest.mark.parametrize(
    ("launcher", "option", "message"),
    [
        ("joblib", "n_jobs=two", "hydra.launcher.n_jobs=two: expected an integer, at least 1, or"),
        ("joblib", "njobs=2", "did you mean 'n_jobs'?"),
        ("submitit_local", "timeout_min=day", "hydra.launcher.timeout_min=day: expected a number"),
        ("submitit_slurm", "mem_gb=4", "hydra/launcher=submitit_slurm: no `srun` here; start it"),
    ],
)
def test_mistakes(
    here: pytest.MonkeyPatch, launcher: str, option: str, message: str, capsys: Capture
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    here.setenv("PATH", "")
    words = ("+callbacks.trouble.what=nothing", f"hydra.launcher.{option}")
    assert sweep(Path("none"), launcher, *words) == 2
    assert message in capsys.readouterr().err
    assert not Path("none").exists()
