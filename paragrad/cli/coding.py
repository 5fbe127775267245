"""The Python file of a tuning job: what one starts from when the flags are not enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.runs.promptfile import Prompt

PAGE = '''"""{title}

Run it with  paragrad train {file}  (--plan shows what it may take). Change what you like.
"""

from typing import Any, Literal

import paragrad as pg
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition
from paragrad.runs.tune import bank

INSTRUCTION = {instruction!r}
END = {end!r}  # filled in for every row, never changed
Answer = {answer}


class Program(pg.Module):
    """The prompt: an instruction that is trained, worked examples that are found, and the row."""

    def __init__(self) -> None:
        self.answer = pg.Generator(INSTRUCTION, output=Answer, inputs=["text"], demos={demos}, name="answer", max_tokens={max_tokens})

    def forward(self, {inputs}) -> Any:
        return self.answer(text=pg.format(END, {passed}))


data = pg.data.read({data!r}, input={names!r}, target={target!r})
train, validate, test = data.split(0.5, 0.25, 0.25, seed={seed}{stratify})

task = pg.Task(
    Program(),
    train,
    validate,
    test,
    metric={metric!r},{model}
    optimizer=partition({{"text": EditSearch(bank=bank()), "demos": BootstrapFewShot()}}),{budget}
    seed={seed},
)

if __name__ == "__main__":
    print(task.plan())
    print(task.fit())
'''


def code_for(job: Any, options: Mapping[str, Any]) -> str:
    """Python source of the same task.

    Raises:
        UsageError: a column whose name is no Python name, or a prompt that Python cannot say this way.
    """
    prompt: Prompt = job.prompt
    wrong = next((name for name in prompt.names if not name.isidentifier()), None)
    if wrong is not None or prompt.inline:
        what = (
            f"the column {wrong!r} is no Python name; rename it"
            if wrong is not None
            else "its placeholders stand inside the instruction; put them on lines of their own at the end"
        )
        raise UsageError(f"this prompt cannot be written as code: {what}")
    if not isinstance(job.metric, str):
        raise UsageError("a metric of your own cannot be written into the file; leave --metric out, and put your function there yourself")
    model = (
        f"pg.llm.connect({options['model'] or 'default'!r}, base_url={options['base_url']!r})"
        if options.get("base_url")
        else repr(options["model"])
    )
    return PAGE.format(
        title=f"Tune a prompt on {job.data.source}.",
        file=options["save_as"][1],
        instruction=prompt.instruction,
        end=prompt.end,
        answer=f"Literal[{', '.join(map(repr, prompt.labels))}]" if prompt.labels else "str",
        demos=max(1, options["demos"]),
        max_tokens=options["max_tokens"],
        inputs=", ".join(f"{name}: Any" for name in prompt.names),
        passed=", ".join(f"{name}={name}" for name in prompt.names),
        data=options["data"],
        names=list(prompt.names),
        target=prompt.target,
        seed=options["seed"] or 0,
        stratify=', stratify="target"' if prompt.labels else "",
        metric=job.metric,
        model=f"\n    model={model}," if options.get("model") or options.get("base_url") else "",
        budget=f"\n    budget={options['budget']!r}," if options.get("budget") else "",
    )
