"""The files of options, in which a number means what it does on the command line."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from genlab.errors import UserError

__all__ = ["FileConfigSource", "read_strictly"]

# What YAML 1.1 may take for a number of another base: `010`, `0x1f`, `0b11`, `1:30`.
SUSPECT = re.compile(r"\b0[bx_0-7]|\d:[0-5]?\d")
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"


class FileConfigSource(file_config_source.FileConfigSource):
    """Reads options as Hydra does, and refuses a number that YAML 1.1 takes for another one.

    Called as Hydra's own: a launcher's processes register that again, and refuse another name.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        text = path.read_text(encoding="utf-8")
        # Hydra writes into what it is given.
        config = copy.deepcopy(_options(path, text))
        place, header = f"{self.scheme()}://{self.path}", self._get_header_dict(text)
        return ConfigResult(self.provider, place, config, header)


def read_strictly() -> None:
    """Let Hydra read files of options by `FileConfigSource`."""
    Plugins.instance()  # registers its own readers
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource


@cache  # jobs of a sweep read the same files
def _options(path: Path, text: str) -> Any:
    """What the text of a file says."""
    stream = StringIO(text)
    stream.name = str(path)  # for a mistake's place
    options = OmegaConf.load(stream)
    if SUSPECT.search(text):
        for key, node in _numbers(yaml.compose(text, yaml.SafeLoader), ""):
            _refuse_another(path, key, node)
    return options


def _numbers(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Each scalar that may be a number of another base, with its key in dots."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _numbers(value, f"{key}.{name.value}" if key else str(name.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _numbers(value, f"{key}.{index}")
    elif node is not None and node.tag in (INT, FLOAT) and SUSPECT.search(node.value):
        yield key, node


def _refuse_another(path: Path, key: str, node: Any) -> None:
    """Refuse a number that the command line reads as something else.

    Raises:
        UserError: It is one; both readings are named.
    """
    word = f"{key}={node.value}"
    read = yaml.SafeLoader("").construct_object(node)
    typed = OverridesParser.create().parse_override(f"x={node.value}").value()
    if typed != read:
        plain = node.value.lstrip("+-0_")
        meant = f"{plain} or " if plain.isdecimal() and plain != str(read) else ""
        raise UserError(
            f"{path}, line {node.start_mark.line + 1}: {word}: YAML reads {read}, the command line "
            f"text; write {meant}{read}, or '{node.value}' in quotes"
        )
