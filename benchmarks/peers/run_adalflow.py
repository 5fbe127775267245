"""AdalFlow on the landscapes: its Trainer, with the scripted proposer as a TextOptimizer of the user's own.

Settings: ``constrained`` or ``random``, its two strategies, and ``b=N``. The loss's backward hands the feedback of the samples
that the trainer chose to the optimizer. Token counting is stubbed: the library fetches a vocabulary when it is imported.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
import time
import types
import warnings
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.serving import Job, Task, serve, timed


def without_vocabulary() -> None:
    """A stand-in for the tokenizer that would be fetched from the network."""
    encoding = types.SimpleNamespace(encode=lambda text, **_: text.split(), decode=" ".join)
    stub: Any = types.ModuleType("tiktoken")
    stub.get_encoding = stub.encoding_for_model = lambda name: encoding
    sys.modules["tiktoken"] = stub


without_vocabulary()

import adalflow as adal  # noqa: E402
from adalflow.optim.function import BackwardContext  # noqa: E402
from adalflow.optim.loss_component import LossComponent  # noqa: E402
from adalflow.optim.optimizer import TextOptimizer  # noqa: E402
from adalflow.optim.parameter import OutputParameter, Parameter  # noqa: E402
from adalflow.optim.types import ParameterType  # noqa: E402


class Spent(Exception):
    """The budget is used up; the trainer has no limit of its own."""


@dataclass
class Sample:
    """One example."""

    id: str
    example: int


@dataclass
class Answer:
    """What one evaluation came to."""

    id: str
    score: float
    said: str


class Program(adal.Component):  # type: ignore[misc]
    """The landscape: one prompt Parameter per component."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.landscape_task = task
        for name, text in task.start.items():
            setattr(self, name, Parameter(data=text, name=name, role_desc=name, requires_opt=True, param_type=ParameterType.PROMPT))

    def texts(self) -> dict[str, str]:
        """Component to text."""
        return {name: getattr(self, name).data for name in self.landscape_task.components}

    def bicall(self, sample: Sample) -> Any:
        """One evaluation."""
        task = self.landscape_task
        if task.counter.calls >= task.budget:
            raise Spent
        answer = Answer(sample.id, *task.observe(sample.example, self.texts()))
        return OutputParameter(data=answer, name="answer", requires_opt=True) if self.training else answer

    __call__ = bicall


class Loss(LossComponent):  # type: ignore[misc]
    """Hands feedback to the optimizer when the trainer sweeps back over a sample."""

    def __init__(self, optimizer: Rewriter) -> None:
        super().__init__()
        self.optimizer = optimizer

    def forward(self, *, y_pred: Any) -> Any:
        """The loss of a sample."""
        loss = OutputParameter(data=y_pred.data.score, name="loss", requires_opt=True, score=y_pred.data.score)
        loss.set_predecessors([y_pred])
        loss.set_grad_fn(
            BackwardContext(backward_fn=self.backward, backward_engine=None, disable_backward_engine=True, said=y_pred.data.said)
        )
        return loss

    def backward(self, *, said: str, **_: Any) -> None:
        """The feedback, as it was said."""
        self.optimizer.said.append(said)

    def set_backward_engine(self, *_: Any, **__: Any) -> None:
        """It needs none."""


class Rewriter(TextOptimizer):  # type: ignore[misc]
    """The scripted proposer on every component that the feedback blames."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program, self.task, self.said = program, program.landscape_task, []
        self.params = [getattr(program, name) for name in self.task.components]

    def zero_grad(self) -> None:
        """Forget what was said."""
        self.said = []

    def propose(self) -> None:
        """New texts, until ``step`` or ``revert``."""
        self.before, said = self.program.texts(), sorted(self.said)  # it sweeps back over sets, in no order
        for name in self.task.blamed(said):
            getattr(self.program, name).data = self.task.rewrite(name, self.before[name], said)

    def revert(self) -> None:
        """The texts from before."""
        for name, text in self.before.items():
            getattr(self.program, name).data = text

    def step(self) -> None:
        """Keep them."""
        self.task.look(self.program.texts())

    def nothing(self, *_: Any) -> None:
        """Bookkeeping that a scripted proposer has no use for."""

    add_failed_proposal = add_score_to_params = set_target_param = nothing
    increment_steps_from_last_improvement = reset_steps_from_last_improvement = nothing


class Training(adal.AdalComponent):  # type: ignore[misc]
    """What the Trainer is given."""

    def __init__(self, program: Program) -> None:
        self.rewriter = None
        super().__init__(task=program, eval_fn=lambda answer: answer.score, loss_fn=None)
        self.rewriter = Rewriter(program)
        self.loss_fn = Loss(self.rewriter)

    def configure_optimizers(self, *_: Any, **__: Any) -> Any:
        """The scripted one."""
        return [self.rewriter]

    def configure_backward_engine(self, *_: Any, **__: Any) -> None:
        """None is asked."""

    def prepare_task(self, sample: Sample) -> Any:
        """How a sample is run."""
        return self.task, {"sample": sample}

    def prepare_loss(self, sample: Sample, y_pred: Any) -> Any:
        """How its loss is found."""
        return self.loss_fn, {"y_pred": y_pred}

    def prepare_eval(self, sample: Sample, y_pred: Any) -> Any:
        """How its output is scored."""
        return self.eval_fn, {"answer": y_pred}

    def to_dict(self, *_: Any, **__: Any) -> dict[str, Any]:
        """For its checkpoint: nothing."""
        return {}


def run(task: Task) -> None:
    """One run of ``Trainer.fit``, ended when the budget is spent."""
    random.seed(task.seed)  # it draws from the global generator
    strategy, size = task.setting.split()[0], int(task.setting.split("b=")[1])
    train, validate = ([Sample(str(i), i) for i in part] for part in (task.landscape.train, task.landscape.validate))
    with tempfile.TemporaryDirectory() as folder:
        training = Training(Program(task))
        task.look(task.start)
        trainer = adal.Trainer(
            training, strategy=strategy, max_steps=100_000, train_batch_size=size, num_workers=task.slots, ckpt_path=folder
        )
        trainer.set_random_seed(task.seed)
        try:
            trainer.fit(train_dataset=train, val_dataset=validate)
        except Exception:
            if task.counter.calls < task.budget:
                raise


class Waiting(adal.Component):  # type: ignore[misc]
    """A program that only waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def call(self, sample: Sample) -> Answer:
        """Wait."""
        time.sleep(self.seconds)
        return Answer(sample.id, 1.0, "fine")

    __call__ = call


class Evaluating(adal.AdalComponent):  # type: ignore[misc]
    """What validation_step is given."""

    def prepare_task(self, sample: Sample) -> Any:
        """How a sample is run."""
        return self.task, {"sample": sample}

    def prepare_eval(self, sample: Sample, y_pred: Any) -> Any:
        """How its output is scored."""
        return self.eval_fn, {"answer": y_pred}


def evaluate(job: Job) -> dict[str, Any]:
    """``validation_step`` on a program that waits (P5)."""
    samples = [Sample(str(number), number) for number in range(job["items"])]
    component = Evaluating(task=Waiting(job["task_seconds"]), eval_fn=lambda answer: answer.score)
    return timed(lambda: component.validation_step(samples, 0, job["slots"]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    serve(run, evaluate=evaluate)
