"""``genlab completion SHELL``: tab completion of commands, runs, groups, and Hydra's overrides.

The scripts ask ``genlab completion --query`` with the line so far in ``COMP_LINE``, and get one
candidate a line. A candidate that ends in ``=``, ``.`` or ``/`` is to be continued, so no blank
follows it.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from genlab.cli.arguments import Parser
from genlab.cli.commands import COMMANDS
from genlab.cli.options import groups
from genlab.config import config_dir, is_hidden
from genlab.runs.find import OUTPUTS, find_runs, resolve
from genlab.runs.manifest import read_manifest

__all__ = ["candidates", "run"]

EXAMPLES = """\
  eval "$(genlab completion bash)"           in ~/.bashrc
  eval "$(genlab completion zsh)"            in ~/.zshrc
  genlab completion fish | source            in ~/.config/fish/config.fish"""

OPTION = re.compile(r"--?[a-zA-Z][\w-]*")
# Options that genlab adds to Hydra's.
OWN_OPTIONS = {"train": ["--dry-run"]}
# What a user seldom sets.
RARE = ("choices", "hydra")


def run(words: list[str]) -> int:
    if words == ["--query"]:
        line = os.environ["COMP_LINE"]
        print("\n".join(candidates(line[: int(os.environ.get("COMP_POINT", len(line)))])))
        return 0
    parser = Parser("completion", EXAMPLES)
    parser.add_argument("shell", choices=sorted(SCRIPTS), help="the shell to print a script for")
    print(SCRIPTS[parser.parse(words).shell], end="")
    return 0


def candidates(line: str) -> list[str]:
    """What the last word of a command line can become, sorted.

    Args:
        line: The line up to the cursor, the program's name included.
    """
    _, *before, word = _words(line)
    return sorted({found for found in _complete(before, word) if found.startswith(word)})


def _words(line: str) -> list[str]:
    """The words of a line; the last is empty where a new one begins."""
    try:
        words = shlex.split(line)
    except ValueError:
        # A quote that is still open.
        words = line.split()
    return [*words, ""] if line[-1:].isspace() else words


def _complete(before: Sequence[str], word: str) -> list[str]:
    if not before:
        return [*COMMANDS, "--help", "--version"]
    command, *arguments = before
    if command not in COMMANDS:
        return []
    if (config_dir() / f"{command}.yaml").is_file():
        return _hydra(command, arguments, word)
    if word.startswith("-"):
        return _options(command)
    if arguments and arguments[-1].startswith("-"):
        return _paths(word)
    if command == "completion":
        return list(SCRIPTS)
    if command == "doctor":
        return []
    if command == "list" and not arguments:
        return [*groups(config_dir()), "metrics", "runs"]
    if command == "resume" and arguments:
        return _keys(read_manifest(resolve(arguments[0]))["config"], word)
    if command == "tune" and arguments[-1:] != ["--study"]:
        return _hydra("train", arguments, word)
    if command == "rerun" and arguments:
        return _hydra("train", arguments[1:], word)
    return [*_runs(), *(_paths(word) if word else [])] or _paths(word)


def _options(command: str) -> list[str]:
    """The options of a subcommand, read from its own help."""
    help_text = io.StringIO()
    with redirect_stdout(help_text), suppress(SystemExit):
        import_module(f"genlab.cli.commands.{command}").run(["--help"])
    lines = (line.strip() for line in help_text.getvalue().splitlines())
    names = (line.partition("  ")[0] for line in lines if line.startswith("-"))
    return [option for name in names for option in OPTION.findall(name)]


def _runs() -> list[str]:
    runs = [str(found.path) for found in find_runs(OUTPUTS)]
    return ["latest", *runs] if runs else []


def _paths(word: str) -> list[str]:
    """Files and folders whose path begins with ``word``; hidden ones only where asked for."""
    folder, _, start = word.rpartition("/")
    prefix = f"{folder}/" if "/" in word else ""
    place = Path(prefix).expanduser()
    if not place.is_dir():
        return []
    return [
        f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in place.iterdir()
        if entry.name.startswith(start) and entry.name.startswith(".") == start.startswith(".")
    ]


def _keys(flat: Mapping[str, Any], word: str) -> list[str]:
    """The keys of a run, level by level; behind ``=`` the present value."""
    key, equals, _ = word.partition("=")
    if equals:
        return [f"{key}={flat[key]}"] if key in flat else []
    level = word.count(".") + 1
    keys = (known.split(".") for known in flat)
    return [".".join(key[:level]) + ("." if len(key) > level else "=") for key in keys]


def _hydra(command: str, arguments: Sequence[str], word: str) -> list[str]:
    from hydra._internal.utils import get_args_parser

    actions = get_args_parser()._actions
    if word.startswith("-"):
        options = [option for action in actions for option in action.option_strings]
        return [*options, *OWN_OPTIONS.get(command, ())]
    for action in actions:
        if action.choices and arguments and arguments[-1] in action.option_strings:
            return list(action.choices)
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    key, equals, value = word.partition("=")
    if not equals or value.startswith("["):
        found = _overrides(command, overrides, word)
        return [match for match in found if _is_offered(match, word)]
    # A sweep, `model=nice,re`: complete what follows the last comma.
    done, comma, last = value.rpartition(",")
    found = _overrides(command, overrides, f"{key}={last}")
    values = [match.removeprefix(f"{key}=") for match in found] or _paths(last)
    offered = [value for value in values if value.startswith("_") <= last.startswith("_")]
    return [f"{key}={done}{comma}{value}" for value in offered if value not in done.split(",")]


def _is_offered(match: str, word: str) -> bool:
    """Whether a match is one that a user sets; some are shown once their first letter is typed."""
    rest, group = match.removeprefix(word), re.split("[/=.]", match.lstrip("+~"))[0]
    return not (
        rest.startswith("_")
        or (group != "hydra" and is_hidden(group))
        or (not word and group in RARE)
    )


def _overrides(command: str, overrides: list[str], word: str) -> list[str]:
    """Hydra's own completion of groups, options, keys and values."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import ConfigCompositionException
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin
    from hydra.types import RunMode
    from omegaconf import ListConfig, OmegaConf

    from genlab.config.primary import VERSION_BASE, fill_suggestions

    with initialize_config_dir(str(config_dir()), version_base=VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        plugin = DefaultCompletionPlugin(loader)
        found, is_group = plugin._query_config_groups(word, command, overrides)
        if is_group:
            return found
        try:
            # A multirun's composition leaves sweeps out, where a single run's would refuse them.
            config = loader.load_configuration(command, overrides, run_mode=RunMode.MULTIRUN)
        except ConfigCompositionException:
            # An earlier word has a mistake: the keys are unknown, the groups are not.
            return found
        fill_suggestions(config)
        matches = plugin._get_matches(config, word)

    def is_list(key: str) -> bool:
        return isinstance(OmegaConf.select(config, key), ListConfig)

    # Hydra would go on to a list's numbers, which no override can set.
    if word.endswith("=") and is_list(word[:-1]):
        items = OmegaConf.to_container(OmegaConf.select(config, word[:-1]), resolve=True)
        return [f"{word}{items}".replace(" ", "")]
    return [*found, *(f"{match[:-1]}=" if is_list(match[:-1]) else match for match in matches)]


# bash breaks words at `=`, so what stands before it must not be inserted again. Older versions (3.2
# on macOS) have neither mapfile nor compopt.
BASH = r"""
_genlab() {
    local line=${COMP_LINE:0:COMP_POINT} candidate prefix=
    local word=${line##*[[:space:]]}
    if [[ $COMP_WORDBREAKS == *=* && $word == *=* ]]; then
        prefix=${word%"${word##*=}"}
    fi
    COMPREPLY=()
    while IFS= read -r candidate; do
        candidate=${candidate#"$prefix"}
        if [[ $candidate == *[[:space:]\'\"\$]* ]]; then
            printf -v candidate %q "$candidate"
        fi
        [[ $candidate == *[=./] ]] || candidate+=' '
        COMPREPLY+=("$candidate")
    done < <(COMP_LINE=$line "${1/#\~/$HOME}" completion --query 2>/dev/null)
}
complete -o nospace -o default -F _genlab genlab
"""

ZSH = r"""
_genlab() {
    local -a found ended
    local missed=1
    local COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX"
    found=("${(@f)$(COMP_LINE=$COMP_LINE ${~words[1]} completion --query 2>/dev/null)}")
    ended=(${found:#*[=./]})
    found=(${(M)found:#*[=./]})
    (( $#found + $#ended )) || { _files; return }
    compadd -S '' -a found && missed=0
    compadd -a ended && missed=0
    return missed
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _genlab genlab
"""

FISH = r"""
function __genlab_candidates
    set -l words (commandline -opc)
    set -lx COMP_LINE (commandline -cp)
    eval $words[1] completion --query 2>/dev/null
end
complete -c genlab -f -a '(__genlab_candidates)'
"""

SCRIPTS = {"bash": BASH, "fish": FISH, "zsh": ZSH}
