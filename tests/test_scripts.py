"""The two scripts: what they install and when, with a stand-in for Python that only takes notes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

# Makes environments of copies of itself; `pip install` puts a program there that tells how it was
# called; all else but a question about the interpreter is noted only.
PYTHON = """#!/bin/bash
[[ $1 != -P ]] || shift
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/pyvenv.cfg" ;;
    "-m pip")
        sleep "${PIP_SECONDS-0}"
        echo "${!#}" >>"$NOTES"
        [[ ! -v PIP_FAILS ]] || exit 1
        echo 'echo "$PWD: $*"' >"${0%/*}/genlab"
        chmod +x "${0%/*}/genlab" ;;
    "-c "*) exec "$REAL_PYTHON" -c "$2" ;;
    *) echo "$*" >>"$NOTES" ;;
esac
"""


class Checkout:
    """A checkout with the scripts alone, and the stand-in as its only Python."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.notes = folder / "notes"
        self.programs = folder / "programs"
        self.venv = self.root / ".venv"
        self.caller = folder / "caller"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        self.caller.mkdir()
        self.programs.mkdir()
        python = self.programs / "python3"
        python.write_text(PYTHON)
        python.chmod(0o755)
        self.environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "NOTES": str(self.notes),
            "REAL_PYTHON": sys.executable,
        }

    def run(
        self, *words: str, script: str = "genlab", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "scripts" / script, *words],
            cwd=self.caller,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
        )

    def noted(self) -> Sequence[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_installs_once_and_runs_where_it_is_called(checkout: Checkout) -> None:
    first = checkout.run("train", "model.hidden=[8, 8]")
    assert first.stdout == f"{checkout.caller}: train model.hidden=[8, 8]\n"
    assert "setting up" in first.stderr
    second = checkout.run("--help")
    assert (second.stdout, second.stderr) == (f"{checkout.caller}: --help\n", "")
    assert checkout.noted() == [str(checkout.root)]


def test_a_link_to_the_script_works(checkout: Checkout) -> None:
    (checkout.programs / "genlab").symlink_to(checkout.root / "scripts" / "genlab")
    shown = subprocess.run(
        ["genlab", "list"],
        cwd=checkout.caller,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{checkout.caller}: list\n"


@pytest.mark.parametrize("changed", ["pyproject.toml", "scripts/constraints.txt"])
def test_a_change_is_installed(checkout: Checkout, changed: str) -> None:
    checkout.run()
    with (checkout.root / changed).open("a") as file:
        file.write("# a change\n")
    (checkout.venv / "kept").touch()
    checkout.run()
    checkout.run()
    assert checkout.noted() == [str(checkout.root)] * 2
    assert (checkout.venv / "kept").exists()


def test_what_was_interrupted_is_made_anew(checkout: Checkout) -> None:
    failed = checkout.run(PIP_FAILS="1")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("genlab: the installation failed")
    (checkout.venv / "torn").touch()
    assert checkout.run().returncode == 0
    assert not (checkout.venv / "torn").exists()


def test_a_copied_environment_is_made_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run()
    shutil.copytree(checkout.root, tmp_path / "copy")
    checkout.root = tmp_path / "copy"
    checkout.run()
    assert checkout.noted()[-1] == str(tmp_path / "copy")


def test_two_starts_at_once_install_once(checkout: Checkout) -> None:
    with ThreadPoolExecutor() as threads:
        starts = [threads.submit(checkout.run, PIP_SECONDS="0.5") for _ in range(2)]
    assert [start.result().returncode for start in starts] == [0, 0]
    assert len(checkout.noted()) == 1


def test_the_environment_can_lie_elsewhere(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run(GENLAB_VENV=str(tmp_path / "elsewhere")).returncode == 0
    assert (tmp_path / "elsewhere" / "bin" / "genlab").exists()
    assert not checkout.venv.exists()


def test_what_the_user_has_is_not_removed(checkout: Checkout, tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").touch()
    refused = checkout.run(GENLAB_VENV=str(folder))
    assert refused.returncode == 1
    assert "neither empty nor a virtual environment" in refused.stderr
    # An environment of the user's own is installed into.
    (folder / "pyvenv.cfg").touch()
    (folder / "bin").mkdir()
    shutil.copy(checkout.programs / "python3", folder / "bin" / "python")
    assert checkout.run(GENLAB_VENV=str(folder), PIP_FAILS="1").returncode == 1
    assert checkout.run(GENLAB_VENV=str(folder)).returncode == 0
    assert (folder / "thesis.tex").exists()


def test_the_tab_key_installs_nothing(checkout: Checkout) -> None:
    asked = checkout.run("completion", "--query", COMP_LINE="genlab tr")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")
    assert not checkout.venv.exists()


def test_no_python(checkout: Checkout) -> None:
    programs = checkout.programs
    (programs / "python3").unlink()
    for name in ("bash", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    shown = checkout.run(PATH=str(programs))
    assert shown.returncode == 1
    assert shown.stderr.startswith("genlab: Python 3.11 or newer is needed")
    assert len(shown.stderr.splitlines()) == 1


def test_an_old_python_is_passed_over(checkout: Checkout) -> None:
    newer = checkout.programs / "python3.12"
    (checkout.programs / "python3").rename(newer)
    old = checkout.programs / "python3"
    old.write_text("#!/bin/bash\necho 'Unknown option: -P' >&2; exit 2\n")
    old.chmod(0o755)
    shown = checkout.run()
    assert shown.returncode == 0
    assert "Unknown option" not in shown.stderr


def test_the_checks_in_order(checkout: Checkout) -> None:
    shown = checkout.run("-k", "list", script="test")
    assert shown.returncode == 0, shown.stderr
    assert checkout.noted() == [
        f"{checkout.root}[test]",
        "-m ruff check .",
        "-m ruff format --check .",
        "-m mypy",
        "-m pytest -n 2 --dist loadfile --no-loadscope-reorder -m not slow -k list",
    ]
    assert shown.stdout.splitlines() == ["== lint", "== format", "== types", "== tests"]
    checkout.run("--all", "-x", script="test")
    assert checkout.noted()[-1] == "-m pytest -n 2 --dist loadfile --no-loadscope-reorder -x"
    checkout.run()
    assert checkout.noted() == []


def test_the_scripts_can_be_executed() -> None:
    assert all(os.access(ROOT / name, os.X_OK) for name in ("scripts/genlab", "scripts/test"))
