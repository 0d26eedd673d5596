"""Tab completion: what is offered for a line, and that the three shells offer it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from genlab.cli.commands import COMMANDS
from genlab.cli.commands.completion import candidates, run
from genlab.cli.main import main
from genlab.config import config_dir
from genlab.runs.directory import RunDirectory

Capture = pytest.CaptureFixture[str]

ROOT = config_dir().parent


@pytest.fixture
def shell_environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose ``genlab`` is this one, in a home without any settings."""
    program = tmp_path / "bin" / "genlab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m genlab "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def test_the_first_word_is_a_command() -> None:
    assert set(COMMANDS) < set(candidates("genlab "))
    assert candidates("genlab tra") == ["train"]
    assert candidates("scripts/genlab eva") == ["evaluate"]
    assert candidates("genlab --v") == ["--version"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("genlab train model=rea", ["model=realnvp"]),
        ("genlab train -m model=rea", ["model=realnvp"]),
        ("genlab train -m model=nice,rea", ["model=nice,realnvp"]),
        ("genlab train -m data=moons,rings model=nice model.lay", ["model.layers="]),
        ("genlab train mode", ["model.", "model="]),
        ("genlab train trainer.max_st", ["trainer.max_steps="]),
        ("genlab train +exp", ["+experiment="]),
        ("genlab train seed=", ["seed=0"]),
        ("genlab train model=nice model._", ["model._target_="]),
        ("genlab train hydra/sw", ["hydra/sweeper="]),
        ("genlab train model=nice model.hidden=", ["model.hidden=[64,64]"]),
        ("genlab train --inf", ["--info"]),
        ("genlab train --cfg ", ["all", "hydra", "job"]),
        ("genlab train data=no_such_data optim", ["optimizer="]),
        ("genlab train model=no_such_model model=ni", ["model=nice"]),
        ("genlab list mod", ["model"]),
        ("genlab rerun latest model=rea", ["model=realnvp"]),
        ("genlab compare --mark", ["--markdown"]),
        ("genlab list ru", ["runs"]),
        ("genlab sample --se", ["--seed"]),
        ("genlab completion z", ["zsh"]),
        ("genlab doctor ", []),
        ("genlab no_such_command ", []),
        ("genlab train 'model=rea", []),
    ],
)
def test_what_a_line_can_become(line: str, expected: list[str]) -> None:
    assert candidates(line) == expected


def test_a_sweep_names_each_choice_once() -> None:
    found = candidates("genlab train -m model=nice,")
    assert "model=nice,realnvp" in found
    assert "model=nice,nice" not in found


def test_what_is_seldom_set_is_not_in_the_way() -> None:
    first = candidates("genlab train ")
    assert {"model=", "data=", "trainer.", "seed="} <= set(first)
    assert not [match for match in first if match.startswith(("hydra", "choices", "command"))]
    assert "model._target_=" not in candidates("genlab train model=nice model.")


def test_only_what_stands_before_the_cursor_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COMP_LINE", "genlab train model=rea data=moons")
    monkeypatch.setenv("COMP_POINT", str(len("genlab train model=rea")))
    assert run(["--query"]) == 0
    assert capsys.readouterr().out == "model=realnvp\n"


def test_runs_and_paths(make_run: Callable[..., RunDirectory]) -> None:
    make_run("2025-01-31/a")
    make_run("2025-01-31/b")
    Path("points.npy").touch()
    Path("my points").mkdir()
    assert candidates("genlab evaluate ") == [
        "latest",
        "outputs/2025-01-31/a",
        "outputs/2025-01-31/b",
    ]
    assert candidates("genlab evaluate lat") == ["latest"]
    assert candidates("genlab score latest -i p") == ["points.npy"]
    assert candidates("genlab score latest -i my") == ["my points/"]
    assert candidates("genlab train data.path=poi") == ["data.path=points.npy"]


def test_resume_offers_the_keys_of_its_run(make_run: Callable[..., RunDirectory]) -> None:
    make_run("a")
    assert candidates("genlab resume outputs/a tr") == ["trainer."]
    assert candidates("genlab resume latest trainer.max") == ["trainer.max_steps="]
    assert candidates("genlab resume latest trainer.max_steps=") == ["trainer.max_steps=100"]


def test_an_unknown_shell(capsys: Capture) -> None:
    assert main(["completion", "csh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_asking_imports_nothing_slow(shell_environment: dict[str, str]) -> None:
    asked = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "genlab", "completion", "--query"],
        env={**shell_environment, "COMP_LINE": "genlab train model.lay"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "model.layers=\n"
    imported = {line.split("|")[-1].strip() for line in asked.stderr.splitlines()}
    assert not imported.intersection({"torch", "lightning", "rich", "matplotlib", "pandas"})


@needs("bash")
@pytest.mark.parametrize(
    ("line", "breaks_at_equals", "expected"),
    [
        ("genlab trai", True, ["train "]),
        # What stands before `=` is another word to bash by default, and not to be repeated.
        ("genlab train model=rea", True, ["realnvp "]),
        ("genlab train model=rea", False, ["model=realnvp "]),
        ("genlab train -m data=moons model=nice,rea", True, ["nice,realnvp "]),
        ("genlab train trainer.max_st", True, ["trainer.max_steps="]),
        ("genlab score latest -i my", True, ["my\\ points/"]),
    ],
)
def test_bash(
    line: str,
    breaks_at_equals: bool,
    expected: list[str],
    shell_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "my points").mkdir()
    script = """
        eval "$(genlab completion bash)"
        complete -p genlab
        COMP_POINT=${#COMP_LINE}
        COMP_WORDBREAKS=$1
        _genlab genlab
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    breaks = ">=;|" if breaks_at_equals else ">;|"
    shown = subprocess.run(
        ["bash", "--norc", "-euc", script, "bash", breaks],
        cwd=tmp_path,
        env={**shell_environment, "COMP_LINE": line},
        capture_output=True,
        text=True,
        check=True,
    )
    registered, *found = shown.stdout.splitlines()
    assert registered.endswith("-F _genlab genlab")
    assert found == expected


@needs("fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("genlab trai", ["train"]),
        ("genlab train model=rea", ["model=realnvp"]),
        ("genlab train trainer.max_st", ["trainer.max_steps="]),
    ],
)
def test_fish(line: str, expected: list[str], shell_environment: dict[str, str]) -> None:
    shown = subprocess.run(
        ["fish", "-c", f"genlab completion fish | source; complete -C '{line}'"],
        env=shell_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == expected


@needs("zsh")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("genlab trai", "genlab train "),
        ("genlab train model=rea", "genlab train model=realnvp "),
        ("genlab train model.hid", "genlab train model.hidden="),
        (
            "genlab train model=nice model.hidden=",
            r"genlab train model=nice model.hidden=\[64,64\]",
        ),
    ],
)
def test_zsh(typed: str, completed: str, shell_environment: dict[str, str]) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], shell_environment)
    try:
        os.write(terminal, b'PS1=; eval "$(genlab completion zsh)"; echo rea""dy\n')
        _read_until(terminal, "ready\r\n")
        os.write(terminal, f"{typed}\t".encode())
        shown = _read_until(terminal, completed)
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    assert completed in shown


def _read_until(terminal: int, expected: str, seconds: float = 20) -> str:
    """What the terminal shows until it shows ``expected``, or until the time is over."""
    shown = ""
    end = time.monotonic() + seconds
    while expected not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown
