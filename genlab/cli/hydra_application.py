"""A Hydra application that composes and launches, but does not sweep by itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

__all__ = ["application", "launcher"]


@contextmanager
def application(arguments: Namespace, command: str) -> Iterator[Hydra]:
    """Hydra over the folder of the configs, as its own main function sets it up."""
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    from genlab.config import config_dir
    from genlab.config.raw import VERSION_BASE

    version.setbase(VERSION_BASE)
    _prefer_own_launchers(config_dir() / "hydra" / "launcher")
    GlobalHydra.instance().clear()
    folder = arguments.config_path or str(config_dir())
    try:
        yield Hydra.create_main_hydra2(
            task_name=command, config_search_path=create_config_search_path(folder)
        )
    finally:
        GlobalHydra.instance().clear()


def launcher(hydra: Hydra, config: Any, task: Callable[[Any], object]) -> Any:
    """The launcher that a configuration chooses, as the plugin that it is.

    Args:
        hydra: The application.
        config: As Hydra composed it for a sweep.
        task: What each job runs.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    return Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task, config=config
    )


def _prefer_own_launchers(folder: Path) -> None:
    """Let the files of genlab describe the launchers, not those that come with the plugins.

    Hydra would match the ones with the others by their names, which it warns of as outdated.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # finds the plugins, which register their configurations
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for path in folder.glob("*.yaml"):
        registered.pop(path.name, None)
