"""``python -m tools.embedded_model``: train, export, evaluate and write the model card, in one go."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

WORK = Path(__file__).parent / "work"


def main() -> None:
    """Parses the arguments and runs the stages asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", default=["train", "export", "evaluate"], help="train, export, evaluate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="training steps (default: the published plan)")
    parser.add_argument("--start", default="", help="begin with these weights instead of nothing")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on both learning rates")
    parser.add_argument("--items", type=int, default=500, help="held-out items per cell of the table")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    arguments = parser.parse_args()
    for stage in arguments.stages:
        _STAGES[stage](arguments)


def _say(text: str) -> None:
    print(text, flush=True)


def _train(arguments: argparse.Namespace) -> None:
    import torch

    from tools.embedded_model.train import Plan, train

    torch.set_num_threads(1)
    plan = Plan(seed=arguments.seed, start=arguments.start, compile=not arguments.eager)
    plan = replace(
        plan,
        steps=arguments.steps or plan.steps,
        easy_examples=0 if arguments.start else plan.easy_examples,
        matrix_rate=plan.matrix_rate * arguments.rate,
        other_rate=plan.other_rate * arguments.rate,
    )
    train(plan, arguments.work, _say, arguments.device)


def _export(arguments: argparse.Namespace) -> None:
    from tools.embedded_model.export import export

    _say(f"exported {export(arguments.work)}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from tools.embedded_model.card import write_card

    write_card(arguments.items, arguments.work, _say)


_STAGES = {"train": _train, "export": _export, "evaluate": _evaluate}

if __name__ == "__main__":
    main()
