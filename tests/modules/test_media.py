"""Pictures, sounds, files: known by their content, sent as content parts, read from rows inside their folder."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.data.content import digest
from paragrad.errors import DataError, Outage, UsageError
from paragrad.journal import RunJournal
from paragrad.modules.inputs import input_kinds, kind_of
from paragrad.testing.wire import FaultServer


def png(color: int = 0) -> bytes:
    """A real picture of one grey point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes([0, color]))) + chunk(b"IEND", b"")


WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
PDF = b"%PDF-1.4\n%%EOF"


@pg.prompt
def look(photo: pg.Image, question: str = "What is it?", also: list[pg.Image] | None = None) -> str:
    """Answer about the photo."""
    ...


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "point.png"
    path.write_bytes(png())
    return path


def test_equal_contents_are_equal_values(photo: Path) -> None:
    a, b = pg.Image(photo), pg.Image(png())
    assert a == b == pg.Image("data:image/png;base64," + base64.b64encode(png()).decode())
    assert len({a, b, pg.Image(png(9))}) == 2
    assert digest(a) == digest(b) != digest(pg.Image(png(9)))
    assert a != pg.File(png())
    assert copy.deepcopy(a) is a
    assert pickle.loads(pickle.dumps(a)) == a
    with pytest.raises(AttributeError, match="is frozen"):
        a.size = 3
    assert repr(a) == f"Image(png, {len(png())} B, {a.sha256[:12]})" == str(a)
    assert a.data == png()


def test_types_are_told_by_the_bytes() -> None:
    assert pg.Audio(WAV).part() == {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}}
    assert pg.Audio(b"ID3" + bytes(9)).part()["input_audio"]["format"] == "mp3"
    file = pg.File(PDF)
    uri = "data:application/pdf;base64," + base64.b64encode(PDF).decode()
    assert file.part() == {"type": "file", "file": {"filename": "document", "file_data": uri}}
    assert pg.File("data:text/plain;base64,aGk=").media_type == "text/plain"
    for data, kind in ((b"GIF89a..", "gif"), (b"\xff\xd8\xff..", "jpeg"), (b"RIFF....WEBP", "webp")):
        assert pg.Image(data).media_type == f"image/{kind}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: pg.Image(d / "none.png"), "does not exist"),
        (lambda d: pg.Image(d), "is a folder"),
        (lambda d: pg.Image("/dev/null"), "is no plain file"),
        (lambda d: pg.Image("a\0b"), "cannot be read|does not exist"),
        (lambda d: pg.Image("https://example.org/x.png"), "nothing is fetched from the web"),
        (lambda d: pg.Image("data:image/png,x"), "not base64"),
        (lambda d: pg.Image("data:image/png;base64,@"), "cannot be read"),
        (lambda d: pg.Image(b""), "there is nothing in these bytes"),
        (lambda d: pg.Image(PDF), "this is application/pdf"),
        (lambda d: pg.Image(b"<svg xmlns=''/>"), "an SVG drawing"),
        (lambda d: pg.Audio(png()), "this is image/png"),
        (lambda d: pg.Image(3), "of type int"),
        (lambda d: pg.Image(png() + bytes(20_000_000)), r"has 20\.0 MB; at most 20\.0 MB"),
    ],
)
def test_what_is_no_medium_is_a_clear_error(make: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        make(tmp_path)


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataError, match="at most"):
        pg.Image(path)


def test_a_file_that_was_changed_is_not_sent(photo: Path) -> None:
    image = pg.Image(photo)
    photo.write_bytes(png(7))
    with pytest.raises(DataError, match="has changed since"):
        image.part()
    photo.unlink()
    with pytest.raises(DataError, match="does not exist"):
        image.part()


def content(wire: Any) -> Any:
    return wire.requests[-1].messages[-1]["content"]


def test_a_prompt_sends_it_where_it_stands(photo: Path) -> None:
    wire = pg.llm.Fake(lambda request: "a point")
    image = pg.Image(photo)
    with pg.llm.use(wire):
        out: Any = look(image, also=[pg.Image(png(1)), pg.Image(png(2))])
        texts = [part.get("text", part["type"]) for part in content(wire)]
        assert texts == ["photo:", "image_url", "question: What is it?\nalso:", "image_url", "image_url"]
        assert content(wire)[1] == image.part()
        assert out.call.input_args["photo"] is image
        assert str(image) in repr(dict(out.call.input_args))
        look.predict(png())  # type: ignore[arg-type]
        alone = pg.Generator("What?", inputs={"photo": pg.Image})
        alone(photo=pg.Variable(image))
        assert content(wire) == [image.part()]
        free = pg.Generator("What?")
        free(words="hi", sound=pg.Audio(WAV))
        assert [part["type"] for part in content(wire)] == ["text", "input_audio"]


@pytest.mark.parametrize("wrong", ["point.png", 3, {"path": "x"}, Path("x.png")])
def test_a_call_takes_no_path_for_a_picture(wrong: Any) -> None:
    wire = pg.llm.Fake(lambda request: "x")
    with pg.llm.use(wire), pytest.raises(TypeError, match=r"is no Image; write pg\.Image\(path\)"):
        look(wrong)
    assert wire.calls == 0


def test_where_only_words_can_stand_it_is_an_error() -> None:
    with pg.llm.use(pg.llm.Fake(lambda request: "x")):
        framed = pg.Generator("Look.", template="{instruction} {photo}")
        with pytest.raises(UsageError, match="photo is an Image, which cannot stand in the template"):
            framed(photo=pg.Image(png()))
        with pytest.raises(UsageError, match="inside a dict; pass it as an input of its own"):
            pg.Generator("Look.")(all={"photo": pg.Image(png())})
        with pytest.raises(Outage, match="reads text only"), pg.llm.use("embedded"):
            look(pg.Image(png()))
        with pytest.raises(Outage, match="text only"), pg.llm.use(lambda text: text):
            look(pg.Image(png()))


def test_the_wire_carries_it_and_the_record_names_it(photo: Path, tmp_path: Path) -> None:
    sound, file = pg.Audio(WAV), pg.File(PDF)
    ask = pg.Generator("What?", inputs={"photo": pg.Image, "sound": pg.Audio, "file": pg.File})
    journal = RunJournal(tmp_path / "journal.sqlite", {"program": "p"})
    with FaultServer("ok") as server:
        model = pg.llm.connect(f"{server.url}#test", cache=tmp_path / "cache.sqlite")
        with pg.llm.use(model), scope(Scope(Coordinate(), journal=journal)):
            assert ask(photo=pg.Image(photo), sound=sound, file=file).value == "four"
            assert ask(photo=pg.Image(png(5)), sound=sound, file=file).value == "four"
        sent = [body["messages"][-1]["content"] for _, _, body in server.requests]
        model.close()
    assert sent[0] == [
        {"type": "text", "text": "photo:"}, pg.Image(photo).part(), {"type": "text", "text": "sound:"}, sound.part(),
        {"type": "text", "text": "file:"}, file.part(),
    ]  # fmt: skip
    events = list(journal.events("model"))
    journal.close()
    assert base64.b64encode(png()).decode() not in json.dumps([event.payload for event in events])
    recorded = [event.payload["request"]["messages"][-1]["content"] for event in events if "request" in event.payload]
    assert len(recorded) == 2
    assert recorded[0] != recorded[1], "another picture is another request"
    assert json.dumps(recorded).count("sha256:") == 6
    assert recorded[0][1]["image_url"]["url"].startswith("data:image/png;base64,sha256:")


def test_rows_hold_paths_inside_their_folder(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "two.png").write_bytes(png(2))
    (tmp_path / "data.csv").write_text("photo,target\npoint.png,a\nmore/two.png,b\n")
    wire = pg.llm.Fake(lambda request: "a")
    found = pg.evaluate(look, tmp_path / "data.csv", metric="exact_match", model=wire)
    assert found.score == 0.5
    assert found.rows[0].inputs["photo"] == pg.Image(photo)
    data = pg.data.read(tmp_path / "data.csv")
    with pg.llm.use(wire):
        assert look.predict_many(data) == ["a", "a"]
        assert pg.evaluate(look, data, metric="exact_match", model=wire).score == 0.5
        listed = [{"photo": str(photo), "target": "a"}, {"photo": {"bytes": png(3)}, "target": "a"}]
        assert pg.evaluate(look, listed, metric="exact_match", model=wire).score == 1.0


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("../point.png", "leads out of"), ("/etc/hostname", "leads out of"), ("link.png", "leads out of"),
        ("none.png", "does not exist"), ("data.csv", "no picture a model can read"), ("https://x.org/a.png", "nothing is fetched"),
    ],
)  # fmt: skip
def test_a_bad_cell_names_its_place(cell: str, said: str, photo: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.png").symlink_to(photo)
    (inner / "data.csv").write_text(f"photo,target\n{cell},a\n")
    wire = pg.llm.Fake(lambda request: "a")
    with pytest.raises(DataError, match=rf"data\.csv, line 2, column 'photo': .*{said}"):
        pg.evaluate(look, inner / "data.csv", metric="exact_match", model=wire)
    assert wire.calls == 0


def test_annotations() -> None:
    assert kind_of(pg.Image | None) == kind_of(pg.Image)
    kind = kind_of(list[pg.Audio])
    assert kind is not None
    assert kind.many
    assert kind_of(list[str]) is kind_of(str) is kind_of(pg.Image | pg.Audio) is None
    assert sorted(input_kinds(look)) == ["also", "photo"]
    assert sorted(input_kinds(look.bind(model="fake"))) == ["also", "photo"]

    class Program(pg.Module):
        def forward(self, scan: pg.File, words: str) -> str:
            return words

    assert list(input_kinds(Program())) == ["scan"]


def test_a_saved_program_still_knows_its_inputs(tmp_path: Path) -> None:
    ask = pg.Generator("What?", inputs={"photo": pg.Image, "pages": list[pg.File], "words": str})
    ask.save(tmp_path / "saved")
    assert input_kinds(pg.load(tmp_path / "saved")) == input_kinds(ask)


def test_training_on_pictures_with_the_budget_of_a_text(photo: Path) -> None:
    model = pg.llm.stack(pg.llm.Fake(lambda request: "a", price=(1.0, 1.0)), cache=False, defaults={"max_tokens": 50})
    rows = [{"photo": pg.Image(png(i)), "target": "ab"[i % 2]} for i in range(16)]
    result = pg.fit(
        look, rows, metric="exact_match", model=model, optimizer=pg.optimizers.EditSearch(bank=("Be brief.",)), algorithm="minibatch",
        budget="$2", journal=False, progress=False,
    )  # fmt: skip
    assert result.baseline == pytest.approx(0.5, abs=0.2)
