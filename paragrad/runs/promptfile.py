"""Prompt files: a text with ``{placeholders}``, as people keep them beside their data.

::

    Decide which team answers this ticket.          the instruction: this is trained

    Ticket: {ticket}                                the end: from the first line with a placeholder on;
    Plan: {plan}                                    filled in for every row, never changed

When the first line already holds a placeholder, the whole text is the instruction, and its
placeholders survive every change (but worked examples cannot be trained then). A text without any
placeholder gets an end made from the columns. Saved beside ``manifest.json`` and ``demos.jsonl``, a
prompt brings its worked examples and its allowed answers along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from paragrad.data.content import near
from paragrad.data.reading import decode
from paragrad.errors import UsageError
from paragrad.modules import Generator, format
from paragrad.modules.template import NAME, names_in
from paragrad.protocols.data import Demo
from paragrad.runs.records import write_text
from paragrad.spaces import Demos, Text
from paragrad.trace import Module, Parameter, Variable

FORMAT = "paragrad.prompt/1"
FILES = ("instruction.md", "demos.jsonl", "manifest.json")
MOST_DEMOS = 64


@dataclass(frozen=True)
class Prompt:
    """A prompt file, read.

    Attributes:
        instruction: what is trained.
        end: the fixed rest, with placeholders; "" when they stand inside the instruction.
        demos: worked examples saved with it.
        labels: the only allowed answers; empty: any text.
        target: the column of the wanted answer, where it is known.
    """

    instruction: str
    end: str = ""
    demos: tuple[Demo, ...] = ()
    labels: tuple[str, ...] = ()
    target: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its placeholders: the columns it reads."""
        return tuple(names_in(self.end or self.instruction))

    @property
    def inline(self) -> bool:
        """Whether the placeholders stand inside the instruction."""
        return not self.end

    def text(self) -> str:
        """As a file."""
        return f"{self.instruction}\n\n{self.end}\n" if self.end else f"{self.instruction}\n"


def parse(text: str) -> Prompt:
    """Split a text at its first line with a placeholder."""
    lines = text.strip().splitlines()
    first = next((i for i, line in enumerate(lines) if NAME.search(line)), None)
    if not first:
        return Prompt(text.strip())
    return Prompt("\n".join(lines[:first]).strip(), "\n".join(lines[first:]).strip())


def read_prompt(path: str | Path) -> Prompt:
    """Read a prompt file, and what was saved with it.

    Raises:
        UsageError: no such file, an empty one, or damaged files beside it.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        names = [other.name for other in file.parent.iterdir() if other.is_file()] if file.parent.is_dir() else []
        hint = near(file.name, names).partition("columns: ")[0].strip() or f"looked in {file.parent.absolute()}"
        raise UsageError(f"there is no prompt file {file}; {hint}")
    found = parse(decode(file))
    if not found.instruction:
        raise UsageError(f"the prompt file {file} is empty; write what the model should do, and {{column}} where a row's text belongs")
    return _with_saved(found, file)


def bound(prompt: Prompt, columns: Sequence[str], inputs: Sequence[str] = (), where: str = "the data") -> Prompt:
    """The prompt for these columns. Without placeholders it gets an end that shows ``inputs``.

    Raises:
        UsageError: a placeholder that is no column, or an input that the prompt has no place for.
    """
    for name in prompt.names:
        if name not in columns:
            raise UsageError(f"the prompt has the placeholder {{{name}}}, but {where} has no such column; {near(name, columns)}")
    if prompt.names:
        unused = [name for name in inputs if name not in prompt.names]
        if unused:
            raise UsageError(
                f"the prompt has no place for {', '.join(unused)}; write {{{unused[0]}}} where it belongs, or leave it out of --input"
            )
        return prompt
    if not inputs:
        raise UsageError("the prompt has no {placeholder} and no input column is known; write {column} in the prompt, or give --input")
    end = f"{{{inputs[0]}}}" if len(inputs) == 1 else "\n".join(f"{name}: {{{name}}}" for name in inputs)
    return replace(prompt, end=end)


class Prompted(Module):
    """A prompt file as a program: the instruction as system message, worked examples, then the filled end."""

    def __init__(self, prompt: Prompt, demos: int = 0, **request: Any) -> None:
        self.prompt = prompt
        self.inputs = prompt.names
        output: Any = Literal[prompt.labels] if prompt.labels else str
        space = Text(placeholders=prompt.names) if prompt.inline else Text()
        self.instruction: Parameter[str] = Parameter(
            prompt.instruction, "the instruction of a language model", name="instruction", space=space
        )
        shots = max(demos, len(prompt.demos)) if not prompt.inline else 0
        given: Any = 0
        if shots:
            role = "worked examples shown to a language model"
            given = Parameter(prompt.demos or None, role, name="demos", space=Demos(max_shots=shots))
        system: Any = Variable("") if prompt.inline else self.instruction
        self.answer = Generator(system, output=output, inputs=["text"], demos=given, **request)

    def forward(self, **inputs: Any) -> Any:
        """Fill the end (or the instruction) and ask."""
        return self.answer(text=format(self.instruction if self.prompt.inline else self.prompt.end, **inputs))

    def current(self) -> Prompt:
        """The prompt with the values the parameters have now."""
        demos = self.answer.demos.value if self.answer.demos is not None else ()
        return replace(self.prompt, instruction=self.instruction.value, demos=tuple(demos or ()))


def save(prompt: Prompt, folder: Path, about: Mapping[str, Any]) -> list[Path]:
    """Write instruction.md, demos.jsonl and manifest.json; each whole or not at all, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"inputs": dict(d.inputs), "output": d.output}, ensure_ascii=False) + "\n" for d in prompt.demos]
    manifest = {"format": FORMAT, "inputs": list(prompt.names), "labels": list(prompt.labels), "target": prompt.target, **about}
    texts = (prompt.text(), "".join(rows), json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
    for name, text in zip(FILES, texts, strict=True):
        write_text(folder / name, text)
    return [folder / name for name in FILES]


def ours(folder: Path) -> bool:
    """Whether a folder may be written to: it is not there, empty, or an earlier one of these."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return True
    try:
        return bool(json.loads((folder / FILES[2]).read_text("utf-8")).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _with_saved(prompt: Prompt, file: Path) -> Prompt:
    """Demos and labels from the files beside a saved instruction."""
    if file.name != FILES[0] or not (file.parent / FILES[2]).is_file() or not ours(file.parent):
        return prompt
    try:
        manifest = json.loads((file.parent / FILES[2]).read_text("utf-8"))
        lines = (file.parent / FILES[1]).read_text("utf-8").splitlines() if (file.parent / FILES[1]).is_file() else []
        demos = Demos(max_shots=MOST_DEMOS).check([json.loads(line) for line in lines if line.strip()])
        return replace(prompt, demos=demos, labels=tuple(map(str, manifest["labels"])), target=manifest["target"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{file.parent} holds a damaged prompt: {error}; restore {FILES[1]} and {FILES[2]}, or take the instruction elsewhere"
        ) from error
