"""Weights & Biases: one run per run, online or offline."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paragrad.errors import not_installed
from paragrad.home import find_home, made
from paragrad.runs.tracking.base import Tracker


class WandB(Tracker):
    """``track="wandb:PROJECT"``, or ``"wandb:offline"``: nothing leaves this machine until ``wandb sync``.

    Args:
        project: a project, "ENTITY/PROJECT", or "offline"; empty: "paragrad".
        folder: where ``wandb`` keeps its files; None: the home folder.

    Raises:
        UsageError: ``wandb`` is not installed.
    """

    name = "wandb"

    def __init__(self, project: str = "", folder: str | Path | None = None) -> None:
        self.offline = project == "offline"
        self.entity, _, self.project = (project if not self.offline else "").rpartition("/")
        self.folder = folder
        try:
            self._module: Any = import_module("wandb")
        except ImportError:
            raise not_installed("the tracker 'wandb'", "wandb", "wandb") from None
        self._run: Any = None

    def start(self, run_id: str, settings: Mapping[str, Any]) -> None:
        """Open the run; a resumed one goes on."""
        more = {"mode": "offline"} if self.offline else {}
        self._run = self._module.init(
            project=self.project or "paragrad",
            entity=self.entity or None,
            name=run_id or None,
            config=dict(settings),
            dir=str(self.folder or made(find_home())),
            settings=self._module.Settings(silent=True, console="off"),  # the run's output is not its business
            **more,
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """One row of the history."""
        self._run.log({**values, "step": step})

    def note(self, step: int, name: str, text: str) -> None:
        """The latest words of a kind, in the summary."""
        self._run.summary[f"{name}/{step}"] = text

    def finish(self, status: str, summary: Mapping[str, float], files: Mapping[str, str]) -> None:
        """Final numbers, the files as one artefact, and the end."""
        self._run.summary.update({**{f"final/{name}": value for name, value in summary.items()}, "status": status})
        if files:
            with TemporaryDirectory() as folder:
                artifact = self._module.Artifact(f"run-{self._run.id}-values", type="parameters")
                for name, text in files.items():
                    path = Path(folder, name)
                    path.write_text(text, encoding="utf-8")
                    artifact.add_file(str(path))
                self._run.log_artifact(artifact)
                self._run.finish(exit_code=0 if status == "finished" else 1)
            return
        self._run.finish(exit_code=0 if status == "finished" else 1)
