"""Files: every format gives the same rows; every defect is one clear error with its place."""

import builtins
import csv
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.data import read
from paragrad.errors import DataError

ROWS = [{"ticket": "No, it broke", "plan": "free", "team": "bug"}, {"ticket": 'Say "hi"\nplease', "plan": "pro", "team": "sales"}]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def as_csv(rows, delimiter=","):
    lines = [delimiter.join(rows[0])]
    for row in rows:
        lines.append(delimiter.join('"' + str(value).replace('"', '""') + '"' for value in row.values()))
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("name", ["a.csv", "a;.csv", "a\t.tsv", "a|.csv", "bom.csv", "u16.csv", "a.jsonl", "a.json"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    file = tmp_path / name.replace("\t", "t").replace("|", "p")
    if name.endswith(".jsonl"):
        write(file, "\n".join(map(json.dumps, ROWS)) + "\n\n")
    elif name.endswith(".json"):
        write(file, json.dumps(ROWS))
    else:
        delimiter = next((d for d in ";\t|" if d in name), ",")
        write(file, as_csv(ROWS, delimiter), {"b": "utf-8-sig", "u": "utf-16"}.get(name[0], "utf-8"))
    data = read(file, input=["ticket", "plan"], target="team")
    assert [dict(row.inputs) for row in data] == [{k: row[k] for k in ("ticket", "plan")} for row in ROWS]
    assert [(row.id, row.target, row.meta) for row in data] == [("1", "bug", {}), ("2", "sales", {})]


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert [row.target for row in read(tmp_path / "a.parquet", target="team")] == ["bug", "sales"]
    with pytest.raises(DataError, match="not a readable Parquet"):
        read(write(tmp_path / "b.parquet", "nonsense"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    original = builtins.__import__

    def missing(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DataError, match=r"pip install 'paragrad\[parquet\]'"):
        read(write(tmp_path / "a.parquet", "x"))


def column(tmp_path, *values, **types):
    file = write(tmp_path / "c.csv", "x,y\n" + "".join(f'"{value}",k\n' for value in values))
    return [row.inputs["x"] for row in read(file, target="y", types=types or None)]


def test_csv_columns_that_are_numbers(tmp_path):
    assert column(tmp_path, "1", "-20", "0") == [1, -20, 0]
    assert column(tmp_path, "1.5", "2.25", "3") == [1.5, 2.25, 3.0]
    assert column(tmp_path, "1.50", "2.25") == [1.5, 2.25]
    assert column(tmp_path, "true", "False") == [True, False]
    assert column(tmp_path, "1", "", "3") == [1, None, 3]


def test_csv_text_stays_text(tmp_path):
    texts = [["007", "8"], ["3.9", "3.10"], ["1e5", "2"], ["nan", "1"], ["1", "x"], ["12345678901234567890"], ["", " "], ["+1"], ["1,234"]]
    for values in texts:
        assert column(tmp_path, *values) == values
    assert column(tmp_path, "1", "2", x=str) == ["1", "2"]
    assert column(tmp_path, "1", "2.5", x=float) == [1.0, 2.5]
    with pytest.raises(DataError, match=r"line 3: column 'x' holds 'b', which is no int"):
        column(tmp_path, "1", "b", x=int)
    with pytest.raises(DataError, match="choose str, int, float or bool"):
        column(tmp_path, "1", x=list)
    with pytest.raises(DataError, match="no column 'z'"):
        column(tmp_path, "1", z=int)


def test_long_fields(tmp_path):
    before = csv.field_size_limit()
    long = "word " * 100_000
    assert column(tmp_path, long.strip()) == [long.strip()]
    assert csv.field_size_limit() == before


def test_ids(tmp_path):
    file = write(tmp_path / "a.csv", "ticket_id,ticket,team\n007,a,x\n8,b,y\n")
    data = read(file, input="ticket", target="team", id="ticket_id")
    assert [row.id for row in data] == ["007", "8"]
    with pytest.raises(DataError, match=r"line 2 and a\.csv, line 3 have the same id '1'"):
        read(write(file, "i,t\n1,a\n1,b\n"), id="i", input="t")
    with pytest.raises(DataError, match="line 3 has no id in column 'i'"):
        read(write(file, "i,t\n1,a\n,b\n"), id="i", input="t")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n", "holds no rows"),
        ("a.csv", "a,b\n1,2\n3\n", "line 3: 1 fields where the header has 2"),
        ("a.csv", "a,b\n1,2,3\n", "line 2: 3 fields where the header has 2"),
        ("a.csv", 'a,b\n1,2\n"x\ny"z,3\n', "line 3 is not CSV"),
        ("a.csv", 'a,b\n1,"2\n', "line 2 is not CSV"),
        ("a.csv", "a,a\n1,2\n", "two columns are called 'a'"),
        ("a.csv", "a,\n1,2\n", "column 2 of 2 has no name"),
        ("a.csv", "a\0\n1\n", "NUL"),
        ("a.jsonl", '{"a": 1}\n{"a": 1,\n', "line 2 is not JSON"),
        ("a.jsonl", '{"a": 1}\n\n[1]\n', "line 3 is a list, not an object"),
        ("a.jsonl", "\n\n", "holds no rows"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.json", '{"a": 1}', "holds an object, not a list of objects"),
        ("a.json", '[{"a": 1}, 2]', "row 2 is a number"),
        ("a.json", "[", "is not JSON"),
        ("a.txt", "x", "the ending .txt is not known; use .csv"),
        ("a", "x", "the ending .none. is not known"),
    ],
)
def test_defects(tmp_path, name, text, said):
    with pytest.raises(DataError, match=said) as caught:
        read(write(tmp_path / name, text))
    assert len(str(caught.value)) < 500


def test_a_wrong_encoding_names_the_line(tmp_path):
    with pytest.raises(DataError, match="line 3: byte 0xe9 is not utf-8; save the file as UTF-8"):
        read(write(tmp_path / "a.csv", "a,b\n1,2\ncafé,3\n", "latin-1"))


def test_missing_files(tmp_path):
    write(tmp_path / "tickets.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"did you mean tickets\.csv"):
        read(tmp_path / "ticket.csv")
    with pytest.raises(DataError, match="looked in"):
        read(tmp_path / "zzz.jsonl")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path / "d.csv")


def test_wrong_columns(tmp_path):
    file = write(tmp_path / "a.csv", "Ticket,plan,team\na,b,c\n")
    with pytest.raises(DataError, match=r"no column 'ticket' \(given as input\); did you mean 'Ticket'\? columns: Ticket, plan, team"):
        read(file, input=["ticket"], target="team")
    with pytest.raises(DataError, match="given as target"):
        read(file, input="Ticket", target="teams")
    with pytest.raises(DataError, match="as input and as target"):
        read(file, input=["team"], target="team")
    with pytest.raises(DataError, match="each once"):
        read(file, input=["plan", "plan"])
    with pytest.raises(DataError, match=r"a.jsonl, line 2 has no 'b'"):
        read(write(tmp_path / "a.jsonl", '{"a":1,"b":2}\n{"a":1}\n'), input="a", target="b")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.sampled_from(",;\t|"))
def test_csv_round_trip(tmp_path_factory, pairs, delimiter):
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    kept = [pair for pair in pairs if any(part.strip() for part in pair)]
    write(file, as_csv([{"question": a, "answer": b} for a, b in kept or [("x", "y")]], delimiter))
    data = read(file, types={"question": str, "answer": str}, target="answer")
    assert [(row.inputs["question"], row.target) for row in data] == (kept or [("x", "y")])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([".csv", ".tsv", ".json", ".jsonl"]))
def test_any_bytes_give_rows_or_a_data_error(tmp_path_factory, data, ending):
    file = tmp_path_factory.mktemp("fuzz") / f"a{ending}"
    file.write_bytes(data)
    with suppress(DataError):
        assert len(read(file)) > 0
