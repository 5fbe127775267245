"""Programs as plain files: what is saved is loaded, what a person edits is taken, what is hostile is refused."""

from __future__ import annotations

import enum
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import paragrad as pg
from paragrad.errors import DataError, ParagradError, UsageError

TEXTS = ["", " ", "Decide.\nPlease.\n", "Zürich — 東京 \u202e", "{instruction} {x}", "a\r\nb", "\ufeffx", "---\nyaml: [", "x" * 50_000]


def route(**options: Any) -> Any:
    @pg.prompt(demos=3, **options)
    def route(ticket: str, plan: str = "free") -> Literal["billing", "bug"]:
        """Decide."""
        ...

    return route


class Everything(pg.Module):
    """Every kind of Parameter, and names that would make bad files."""

    def __init__(self) -> None:
        self.text = pg.Parameter("words")
        self.style = pg.Parameter("plain", space=pg.Choice(["plain", "careful"]))
        self.number = pg.Parameter(0.5, space=pg.Number(low=0, high=1))
        self.demos = pg.Parameter(None, space=pg.Demos(max_shots=2))
        self.weights = pg.Parameter([1.0, 2.0, 3.0])
        self.settings = pg.Parameter({"a": [1, 2, {"b": None}]})
        self.manifest = pg.Parameter({"not": "the manifest"})
        self.parts = {
            "../../evil": pg.Parameter("e"),
            "a/b": pg.Parameter("f"),
            "A": pg.Parameter("g"),
            "a": pg.Parameter("h"),
            "": pg.Parameter("i"),
        }

    def forward(self) -> Any:
        return self.text


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back_byte_for_byte(tmp_path: Path, text: str) -> None:
    made = route()
    made.instruction.data = text
    made.save(tmp_path / "r")
    assert pg.load(tmp_path / "r").instruction.value == text
    other = route()
    other.load(tmp_path / "r")
    assert other.instruction.value == text


def test_every_kind_comes_back_and_nothing_leaves_the_folder(tmp_path: Path) -> None:
    made = Everything()
    made.demos.data = [({"q": "1"}, "one"), ({"q": "ü"}, "zwei\nlines")]
    made.style.data = "careful"
    made.weights.data = [4.0, 5.0, 6.0]
    made.text.requires_grad_(False)
    folder = tmp_path / "inside" / "saved"
    made.save(folder)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {p.name for p in folder.iterdir()}
    names = [entry["file"].casefold() for entry in json.loads((folder / "manifest.json").read_text())["parameters"].values()]
    assert len(set(names)) == len(names) == 12
    other = Everything()
    other.load(folder)
    assert list(other.demos.value) == list(made.demos.value)
    assert other.style.value == "careful"
    assert list(other.weights.value) == [4.0, 5.0, 6.0]
    assert other.settings.value == {"a": [1, 2, {"b": None}]}
    assert [p.value for p in other.parts.values()] == ["e", "f", "g", "h", "i"]
    assert not other.text.requires_grad
    assert made.state_dict().keys() == other.state_dict().keys()


def test_a_hand_edited_file_is_taken_as_it_is(tmp_path: Path) -> None:
    made = route()
    made.save(tmp_path)
    (tmp_path / "instruction.md").write_text("Decide well.\n")
    (tmp_path / "demos.jsonl").write_text('{"inputs": {"ticket": "refund"}, "output": "billing"}\n\n')
    other = pg.load(tmp_path)
    assert other.instruction.value == "Decide well."
    assert other.demos.value[0].output == "billing"
    (tmp_path / "demos.jsonl").write_text('{"inputs": {"ticket": "refund"}, "out')
    with pytest.raises(DataError, match=r"demos\.jsonl"):
        pg.load(tmp_path)


def test_a_load_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    made = Everything()
    made.text.data, made.number.data = "new words", 0.9
    made.save(tmp_path)
    (tmp_path / "number.json").write_text("7")
    other = Everything()
    before = other.state_dict()
    with pytest.raises(DataError):
        other.load(tmp_path)
    assert str(other.state_dict()) == str(before)
    with pytest.raises(UsageError, match="does not have"):
        route().load(tmp_path)


class Team(enum.Enum):
    """Who answers."""

    BILLING = "billing"
    BUG = "bug"


@pytest.mark.parametrize(
    ("output", "reply", "value"),
    [
        (str, " yes ", "yes"), (int, "3", 3), (float, "2.5", 2.5), (bool, "yes", True), (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2), (Team, "bug", "bug"),
    ],
)  # fmt: skip
def test_a_generator_comes_back_with_its_output_and_request(tmp_path: Path, output: Any, reply: str, value: Any) -> None:
    made: Any = pg.Generator("Say.", output=output, inputs=["x"], temperature=0.5, max_tokens=9, top_k=4, template="{instruction}!")
    made.save(tmp_path)
    other: Any = pg.load(tmp_path)
    wire = pg.llm.Fake(lambda request: reply)
    with pg.llm.use(wire):
        assert other.predict(x="?") == value
        assert type(other.predict(x="?")) is type(value)
    request = wire.requests[0]
    assert (request.temperature, request.max_tokens, request.extra) == (0.5, 9, {"top_k": 4})
    assert request.messages[0]["content"].startswith("Say.!")
    assert other.request == made.request


def test_a_fixed_instruction_stays_fixed(tmp_path: Path) -> None:
    made: Any = pg.Generator(pg.Variable("Fixed."), demos=2, inputs=["x"])
    made.save(tmp_path)
    other: Any = pg.load(tmp_path)
    assert [p.id for p in other.parameters() if p.requires_grad] == ["demos"]
    assert str(other.instruction.value) == "Fixed."


def test_a_program_with_code_of_its_own_says_so(tmp_path: Path) -> None:
    Everything().save(tmp_path)
    with pytest.raises(DataError, match=r"make that program and call program\.load"):
        pg.load(tmp_path)
    pydantic = pytest.importorskip("pydantic")
    answer = pydantic.create_model("Answer", name=(str, ...))
    made: Any = pg.Generator("Say.", output=answer)
    made.save(tmp_path / "b")
    with pytest.raises(DataError, match="type of their own"):
        pg.load(tmp_path / "b")


def saved(folder: Path) -> dict[str, Any]:
    """A saved prompt's manifest."""
    made = route()
    made.demos.data = [({"ticket": "a"}, "bug")]
    made.save(folder)
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


HOSTILE: list[Any] = [
    lambda m: m["parameters"]["instruction"].update(file="../secret.txt"),
    lambda m: m["parameters"]["instruction"].update(file="/etc/passwd"),
    lambda m: m["parameters"]["instruction"].update(file="link"),
    lambda m: m["parameters"]["instruction"].update(file="a\0b"),
    lambda m: m["parameters"]["instruction"].update(file=7),
    lambda m: m["parameters"]["instruction"].update(file=""),
    lambda m: m["parameters"]["instruction"].update(file="."),
    lambda m: m["parameters"]["instruction"].update(file="fifo"),
    lambda m: m["parameters"]["instruction"].pop("file"),
    lambda m: m["parameters"]["instruction"].update(space={"kind": "os.system"}),
    lambda m: m["parameters"]["instruction"].update(space={"kind": ["x"]}),
    lambda m: m["parameters"]["instruction"].update(space=7),
    lambda m: m["parameters"]["instruction"].update(space={"kind": "text", "max_length": "many"}),
    lambda m: m["parameters"].update(instruction=None),
    lambda m: m["parameters"].pop("instruction"),
    lambda m: m.update(parameters=[]),
    lambda m: m.update(program=None),
    lambda m: m.update(program={"class": "subprocess.Popen"}),
    lambda m: m["program"].update(inputs="abc"),
    lambda m: m["program"].update(output={"a": 1}),
    lambda m: m["program"].update(output="os.system"),
    lambda m: m["program"].update(template=["x"]),
    lambda m: m["program"].update(template="without"),
    lambda m: m["program"].update(request={"model": "http://evil/v1#x"}),
    lambda m: m["program"].update(request={"extra": {"extra_headers": {"x": "y"}}}),
    lambda m: m["program"].update(request={"extra": {"model": "http://evil/v1#x"}}),
    lambda m: m["program"].update(request={"tools": ["x"]}),
    lambda m: m["program"].update(request={"extra": {"base_url": "http://evil"}}),
    lambda m: m.update(format=2),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_manifests_are_refused(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "r"
    manifest = saved(folder)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(folder / "fifo")
    HOSTILE[number](manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ParagradError) as caught:
        pg.load(folder)
    assert "secret" not in str(caught.value).replace("secret.txt", "")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_raise_documented_errors_or_load(tmp_path: Path, data: Any) -> None:
    folder = tmp_path / "r"
    saved(folder)
    file = folder / data.draw(st.sampled_from(["manifest.json", "instruction.md", "demos.jsonl"]))
    raw = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw))
    for read in (pg.load, lambda path: route().load(path)):
        with suppress(ParagradError):
            read(folder)


def test_flipped_bytes_of_an_array_are_noticed(tmp_path: Path) -> None:
    Everything().save(tmp_path)
    raw = (tmp_path / "tensors.safetensors").read_bytes()
    chance = Random(1)
    for _ in range(50):
        place = chance.randrange(len(raw))
        (tmp_path / "tensors.safetensors").write_bytes(raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :])
        with pytest.raises(DataError):
            Everything().load(tmp_path)


class Numbers(pg.Module):
    """Words and arrays that belong together."""

    def __init__(self, number: int = 0) -> None:
        self.words = pg.Parameter(f"version {number}")
        self.w = pg.Parameter([float(number)] * 3, layerwise_parallel=True)
        self.v = pg.Parameter(pg.initializer(number, (2, 2)))
        self.unset = pg.Parameter(None)

    def forward(self) -> Any:
        return self.words

    def told(self) -> list[Any]:
        return [self.words.value, list(self.w.value), self.v.value.tolist(), self.w.layerwise_parallel]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_save_that_dies_at_any_step_leaves_all_old_or_all_new(tmp_path: Path) -> None:
    old, new = Numbers(1), Numbers(2)
    seen = set()
    for step in range(40):
        folder = tmp_path / str(step)
        old.save(folder)
        child = os.fork()
        if not child:
            left = [step]

            def dying(real: Any, left: list[int] = left) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    left[0] -= 1
                    return real(*args, **kwargs) if left[0] >= 0 else os._exit(9)

                return call

            for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
                setattr(owner, name, dying(getattr(owner, name)))
            new.save(folder)
            os._exit(0)
        finished = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        read = Numbers()
        read.load(folder)
        assert read.told() in (old.told(), new.told())
        seen.add((finished, read.words.value))
        Numbers(3).save(folder)
        assert sorted(p.name for p in folder.iterdir() if "tensors" not in p.name) == ["manifest.json", "words.md"]
        read.load(folder)
        assert read.told() == Numbers(3).told()
        if finished:
            break
    assert seen == {(False, "version 1"), (False, "version 2"), (True, "version 2")}


def test_arrays_saved_one_by_one_are_still_read(tmp_path: Path) -> None:
    made = Numbers(1)
    made.save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    data = made.w.space.encode(made.w.value)
    (tmp_path / "w.bin").write_bytes(data)
    manifest["parameters"]["w"] = {**manifest["parameters"]["w"], "file": "w.bin", "sha256": hashlib.sha256(data).hexdigest()}
    del manifest["parameters"]["w"]["tensor"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    other = Numbers(5)
    other.load(tmp_path)
    assert other.told() == made.told()


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no saved program"):
        pg.load(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="not a manifest"):
        pg.load(tmp_path)
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(DataError):
        pg.load(tmp_path)
