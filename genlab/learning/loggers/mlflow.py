"""Runs in MLflow: in its local database, or on a tracking server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Unpack

from genlab.learning.loggers.run_logger import RunLogger, Told
from genlab.runs.servers import look_at_mlflow
from genlab.runs.settings import spell

__all__ = ["MLflow"]

STATES = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
# By this tag a run that goes on is found again.
IDENTITY = "genlab.run"
# What MLflow takes of the names of parameters, of their values and in one call.
REFUSED = re.compile(r"[^\w\-./ :]")
LENGTH, AT_ONCE = 6000, 100


class MLflow(RunLogger):
    """A run of MLflow: settings as parameters, scalars as metrics, figures as images.

    A run that goes on is found again by its tag ``genlab.run``; parameters cannot change there, so
    a setting that has changed since is a tag of its name.

    Args:
        experiment: The experiment of MLflow that the run is put into.
        tracking_uri: Where it is kept; None for where MLflow keeps it by itself, the variable
            ``MLFLOW_TRACKING_URI`` or ``mlflow.db`` in the working folder.
        tags: Tags of the run besides its `choices`.
        **told: As `RunLogger` takes it.
    """

    requires = "mlflow"
    look = staticmethod(look_at_mlflow)

    def __init__(
        self,
        *,
        experiment: str = "genlab",
        tracking_uri: str | None = None,
        tags: Mapping[str, str] | None = None,
        **told: Unpack[Told],
    ) -> None:
        super().__init__(**told)
        self.experiment, self.tracking_uri = experiment, tracking_uri
        self.tags = {**self.choices, **(tags or {})}

    def _begin(self) -> None:
        # It would report its use over the network.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # By itself it tries for minutes until a server counts as gone.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric = Metric
        self._client = MlflowClient(self.tracking_uri)
        experiment = self._experiment_id()
        found = self._client.search_runs(
            [experiment], filter_string=f"tags.`{IDENTITY}` = '{self.identity}'", max_results=1
        )
        if found:
            made = found[0]
            self._client.update_run(made.info.run_id, status="RUNNING")
        else:
            tags = {IDENTITY: self.identity, **self.tags}
            made = self._client.create_run(experiment, run_name=self.title, tags=tags)
        self._run = made.info.run_id
        said = {REFUSED.sub("/", key): spell(v)[:LENGTH] for key, v in self.settings.items()}
        known = made.data.params
        for some in _parts([Param(key, text) for key, text in said.items() if key not in known]):
            self._client.log_batch(self._run, params=some)
        for key, text in said.items():
            if known.get(key, text) != text:
                self._client.set_tag(self._run, key, text)

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(self.experiment))
        except MlflowException as error:
            # Another job of a sweep was faster.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment_id()

    def _write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        now = round(1000 * time.time())
        metrics = [self._metric(tag, value, now, step) for tag, value in scalars.items()]
        for some in _parts(metrics):
            self._client.log_batch(self._run, metrics=some)

    def _write_figure(self, tag: str, pixels: Any, step: int) -> None:
        self._client.log_image(self._run, pixels, key=tag, step=step)

    def _end(self, state: str) -> None:
        self._client.set_terminated(self._run, STATES[state])


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
