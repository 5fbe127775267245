"""MLflow: one run per run, with parameters, metrics, tags and files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from paragrad.errors import not_installed
from paragrad.runs.tracking.base import Tracker

TAG = "paragrad.run_id"
LONGEST = 500  # characters of a parameter's or tag's value
STATUS = {"failed": "FAILED", "finished": "FINISHED", "parked": "KILLED"}


class MLflow(Tracker):
    """``track="mlflow:URI"``. A resumed run goes on in the MLflow run that has its id.

    Args:
        uri: of the tracking server or store; empty: what ``MLFLOW_TRACKING_URI`` says.
        experiment: made when it is not there.

    Raises:
        UsageError: neither ``mlflow`` nor ``mlflow-skinny`` is installed.
    """

    name = "mlflow"

    def __init__(self, uri: str = "", experiment: str = "paragrad") -> None:
        self.uri = uri
        self.experiment = experiment
        try:
            self._module: Any = import_module("mlflow")
        except ImportError:
            raise not_installed("the tracker 'mlflow'", "mlflow", "mlflow") from None
        self._client: Any = None
        self._run = ""

    def start(self, run_id: str, settings: Mapping[str, Any]) -> None:
        """Make the MLflow run, or find it again."""
        self._client = self._module.MlflowClient(tracking_uri=self.uri or None)
        known = self._client.get_experiment_by_name(self.experiment)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(self.experiment)
        found = (
            self._client.search_runs([experiment], f"tags.`{TAG}` = '{run_id}'", max_results=1)
            if run_id and settings.get("resumed")
            else []
        )
        if found:
            self._run = found[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        made = self._client.create_run(experiment, tags={TAG: run_id}, run_name=run_id or None)
        self._run = made.info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, str(value)[:LONGEST])

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """One point per metric."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, float(value), step=step)

    def note(self, step: int, name: str, text: str) -> None:
        """A tag per step."""
        self._client.set_tag(self._run, f"{name}.{step}", text[:LONGEST])

    def finish(self, status: str, summary: Mapping[str, float], files: Mapping[str, str]) -> None:
        """Final metrics, the files as artefacts, and the end."""
        for name, value in summary.items():
            self._client.log_metric(self._run, f"final/{name}", float(value))
        for name, text in files.items():
            self._client.log_text(self._run, text, name)
        self._client.set_terminated(self._run, status=STATUS.get(status, "FAILED"))
