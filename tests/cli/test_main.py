"""The dispatcher: help, versions, unknown words, and how errors reach a user."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import ModuleType

import pytest

import genlab
from genlab.cli.commands import COMMANDS
from genlab.cli.main import main
from genlab.errors import Interrupted, RunError, UserError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> object:
    """Lets ``genlab doctor`` raise what a test says."""

    def fail_with(error: BaseException) -> None:
        def run(words: list[str]) -> int:
            raise error

        module = ModuleType("genlab.cli.commands.doctor")
        module.run = run
        monkeypatch.setitem(sys.modules, "genlab.cli.commands.doctor", module)

    return fail_with


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command_with_examples(words: list[str], capsys: Capture) -> None:
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert "genlab train model=realnvp data=moons" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"genlab {genlab.__version__}\n"


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"train", "solve"}))
def test_each_command_explains_itself(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: genlab {command}" in shown
    assert "examples:" in shown


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trian"], "trian: no such command; did you mean 'train'?"),
        (["xyzzy"], "choose from: board"),
        (["model=nice"], "`genlab train model=nice` takes it"),
        (["doctor", "now"], "unexpected 'now'"),
        (["sample", "latest", "--sed", "3"], "unexpected '--sed'; did you mean '--seed'?"),
        (["sample", "latest", "-n", "-3"], "-n: expected a positive whole number, got '-3'"),
        (["sample", "latest", "--seed", "1e3"], "expected a whole number from 0"),
        (["score", "latest"], "arguments are required: -i"),
    ],
)
def test_mistakes_are_one_line_with_status_2(words: list[str], hint: str, capsys: Capture) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert error.startswith("genlab: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (UserError("seed=-1: expected at least 0"), 2, "genlab: seed=-1: expected at least 0\n"),
        (RunError("the disk is full"), 1, "genlab: the disk is full\n"),
        (ValueError("two\nlines"), 1, "genlab: ValueError: two\n"),
        (KeyboardInterrupt(), 130, "genlab: interrupted\n"),
        (Interrupted(signal.SIGTERM), 143, "genlab: stopped by SIGTERM\n"),
    ],
)
def test_errors_become_messages_and_statuses(
    error: BaseException, status: int, shown: str, failing, capsys: Capture
) -> None:
    failing(error)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err == shown


def test_notes_follow_the_message(failing, capsys: Capture) -> None:
    error = ValueError("bad")
    error.add_note("log: outputs/run/run.log")
    failing(error)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == "genlab: ValueError: bad\nlog: outputs/run/run.log\n"


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False)])
def test_a_traceback_where_it_is_asked_for(
    value: str, shown: bool, failing, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_DEBUG", value)
    failing(UserError("wrong"))
    assert main(["doctor"]) == 2
    assert ("Traceback" in capsys.readouterr().err) == shown


HEAVY = ["torch", "lightning", "hydra", "omegaconf", "yaml", "rich", "numpy", "matplotlib"]


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "runs"], ["sample", "--help"]])
def test_what_must_be_quick_imports_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
from genlab.cli.main import main
try:
    main({words})
except SystemExit:
    pass
print("loaded:", *sorted({set(HEAVY)} & set(sys.modules)))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1].strip() == "loaded:"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m genlab list | head -n 1"
    pipe = f"set -o pipefail; {command}"
    answer = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert answer.stderr == ""


def test_the_package_is_lazy(assembly: ModuleType) -> None:
    assembly.experiment = object()
    assert genlab.load is assembly.load
    assert genlab.experiment is assembly.experiment
    assert {"experiment", "load", "__version__"} <= set(dir(genlab))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        genlab.lod  # noqa: B018


def test_sigterm_unwinds_what_a_command_does(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    before, undone = signal.getsignal(signal.SIGTERM), []

    def run(words: list[str]) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            undone.append(True)
        return 0

    module = ModuleType("genlab.cli.commands.doctor")
    module.run = run
    monkeypatch.setitem(sys.modules, "genlab.cli.commands.doctor", module)
    assert main(["doctor"]) == 143
    assert undone == [True]
    assert capsys.readouterr().err == "genlab: stopped by SIGTERM\n"
    assert signal.getsignal(signal.SIGTERM) == before
