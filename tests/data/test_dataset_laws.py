"""Data sets: immutable, bound by name, split without leaks, the same in every process."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.data import Dataset, rows
from paragrad.errors import DataError, UsageError
from paragrad.protocols.data import Row


def make(n=100, labels=3, **more):
    return rows([{"text": f"t{i}", "target": f"l{i % labels}", "customer": i // 4, **more} for i in range(n)], input="text")


class Frame:
    columns = ["q", "target"]

    def to_dict(self, orient):
        assert orient == "records"
        return [{"q": "a", "target": 1.5}, {"q": "b", "target": float("nan")}]


class Polars:
    def to_dicts(self):
        return [{"q": "a", "target": 1}]


class HuggingFace:
    column_names = ["q", "target"]

    def __iter__(self):
        yield from [{"q": "a", "target": 1}]

    def __len__(self):
        return 1


def test_rows_of_every_form():
    assert rows([{"q": "a", "target": 1, "x": 2}])[0] == Row("1", {"q": "a", "x": 2}, 1)
    assert rows([{"q": "a", "answer": 1, "x": 2}], input="q", target="answer", id="x")[0] == Row("2", {"q": "a"}, 1)
    assert rows([("a", 1), ["b", 2]])[1] == Row("2", {"input": "b"}, 2)
    assert rows([({"a": 1, "b": 2}, 3)])[0] == Row("1", {"a": 1, "b": 2}, 3)
    assert [row.target for row in rows(Frame())] == [1.5, None]
    assert rows(Polars())[0] == rows(HuggingFace())[0] == Row("1", {"q": "a"}, 1)
    given = [Row("x", {"q": "a"}, "t", {"m": 1}), Row("y", {"q": "b"}, None, {})]
    assert list(rows(given)) == given
    assert list(rows(iter(given))) == given
    again = rows(given)
    assert rows(again) is again


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "there are no rows"),
        ("tickets.csv", "pg.data.read"),
        (["a", "b"], "row 1 is 'a'; give"),
        ([("a", 1), ("b",)], "row 2"),
        ([{"a": 1}, 2], "row 2 is 2"),
        ([{1: 2}], "column names are strings"),
        ({"train": [1]}, r"a dict with the keys \['train'\]"),
        (5, "holds no rows"),
        ([({"target": 1}, 2)], "rename it"),
        ([Row("a", {}), Row("a", {})], "two rows have the id 'a'"),
    ],
)
def test_what_is_no_rows(items, said):
    with pytest.raises(DataError, match=said):
        rows(items)


def test_a_row_cannot_change_its_data_set():
    source = [{"q": {"list": [1]}, "target": [1]}]
    data = rows(source)
    before = data.digest()
    data[0].inputs["q"]["list"].append(2)
    data[0].target.append(2)
    data[0].inputs["new"] = 1
    assert data.digest() == before
    assert data[0].inputs == {"q": {"list": [1]}}


def test_sequence():
    data = make(10)
    assert isinstance(data[2:5], Dataset)
    assert [row.id for row in data[2:5]] == ["3", "4", "5"]
    assert data[-1].id == "10"
    assert data[:] == data != data[1:]
    assert hash(data[:]) == hash(data)
    assert "10 rows" in repr(data)
    with pytest.raises(IndexError):
        data[10]


def test_bind():
    data = rows([{"q": "a", "plan": "free", "target": 1, "gold": 2}])
    assert data[0].inputs == {"q": "a", "plan": "free", "gold": 2}
    assert data.bind(["q"])[0] == Row("1", {"q": "a"}, 1, {"plan": "free", "gold": 2})
    assert data.bind(["q", "plan", "style"], optional=["style"]).inputs == ("q", "plan")
    assert data.bind(["q"], target="gold")[0].target == 2
    with pytest.raises(DataError, match=r"parameter 'query' is not a column of the data; .*columns: q, plan, target, gold"):
        data.bind(["query"])
    with pytest.raises(DataError, match="row 2 has no 'b'"):
        rows([{"a": 1, "b": 2}, {"a": 1}]).bind(["a", "b"])
    assert rows([{"a": 1, "b": 2}, {"a": 1}]).bind(["a", "b"], optional=["b"])[1].inputs == {"a": 1}


def test_bind_pairs():
    data = rows([("a", 1), ("b", 2)])
    assert data.bind(["request"])[1] == Row("2", {"request": "b"}, 2)
    assert data.bind(["request", "style"], optional=["style"])[0].inputs == {"request": "a"}
    assert data.bind(["request"]).bind(["other"])[0].inputs == {"other": "a"}
    two = rows([(("a", 1), True)])
    assert two.bind(["x", "y"])[0] == Row("1", {"x": "a", "y": 1}, True)
    assert two.bind(["x"])[0].inputs == {"x": ("a", 1)}
    with pytest.raises(DataError, match="the program wants x, y, z"):
        two.bind(["x", "y", "z"])


def test_split_sizes_and_order():
    parts = make(412).split(0.5, 0.25, 0.25)
    assert [len(part) for part in parts] == [206, 103, 103]
    assert sorted(int(row.id) for part in parts for row in part) == list(range(1, 413))
    assert all([int(row.id) for row in part] == sorted(int(row.id) for row in part) for part in parts)
    assert [len(part) for part in make(10).split(0.3, 0.3)] == [3, 3]
    assert make(40).split(0.5, 0.5)[0] != make(40).split(0.5, 0.5, seed=1)[0]


def test_split_is_stratified():
    labels = ["rare"] * 8 + ["mid"] * 40 + ["common"] * 152
    data = rows([(f"t{i}", label) for i, label in enumerate(labels)])
    for seed in range(5):
        parts = data.split(0.5, 0.25, 0.25, seed=seed, stratify="target")
        assert [len(part) for part in parts] == [100, 50, 50]
        for part, share in zip(parts, (0.5, 0.25, 0.25), strict=True):
            counts = Counter(row.target for row in part)
            assert all(abs(counts[label] - share * n) <= 1 for label, n in Counter(labels).items())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), min_size=30, max_size=80), st.integers(0, 5))
def test_nothing_leaks_between_parts(pairs, seed):
    data = rows([{"text": text, "target": 1, "customer": customer} for text, customer in pairs], input="text")
    try:
        parts = data.split(0.6, 0.4, seed=seed)
    except DataError:
        return
    assert not parts[0].shared(parts[1])
    try:
        parts = data.split(0.6, 0.4, seed=seed, group="customer")
    except DataError:  # everything hangs together
        return
    assert not {row.meta["customer"] for row in parts[0]} & {row.meta["customer"] for row in parts[1]}
    assert not parts[0].shared(parts[1])
    assert sum(map(len, parts)) == len(data)


def test_split_does_not_depend_on_row_order():
    data = make(60)
    backwards = data.take(range(59, -1, -1))
    ids = [{row.id for row in part} for part in data.split(0.5, 0.5)]
    assert ids == [{row.id for row in part} for part in backwards.split(0.5, 0.5)]


def test_split_errors():
    for shares in ((), (0.5, 0.6), (0, 1), (-0.1,), (2,)):
        with pytest.raises(UsageError, match="sum to at most 1"):
            make().split(*shares)
    with pytest.raises(DataError, match=r"part 2 of 2 would be empty: the data has 5 rows that fall into 1"):
        rows([("same", i) for i in range(5)]).split(0.5, 0.5)
    with pytest.raises(DataError, match="no column 'label'"):
        make().split(0.5, stratify="label")


PROGRAM = """
from paragrad.data import rows
data = rows([{"text": f"t{i}", "target": i % 3, "x": {"b": 1.5, "a": [None, True]}} for i in range(50)])
print(data.digest(), [row.id for row in data.split(.5, .5, stratify="target", seed=3)[0]])
"""


def test_the_same_in_every_process():
    found = {subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(found) == 1


@dataclass
class Point:
    x: int


def test_digests_tell_contents_apart():
    values = [1, 1.0, True, "1", None, [1], {"a": 1}, b"1", np.zeros(2), np.zeros(3), np.zeros(2, "int64"), {1, 2}, Point(1), Point(2), 1j]
    digests = [rows([("x", value)]).digest() for value in values]
    assert len(set(digests)) == len(values)
    assert digests == [rows([("x", value)]).digest() for value in values]
    with pytest.raises(DataError, match="no content digest"):
        rows([("x", print)]).digest()


def test_describe():
    items = [("a", "bug"), ("a", "bug"), ("b", "bug"), ("b", "sales"), *[(f"t{i}", "bug") for i in range(30)], ("z", None)]
    text = rows(items).describe()
    assert "35 rows · input input · target target" in text
    assert "2 labels: bug 33, sales 1" in text
    assert "! 2 duplicates (same inputs)" in text
    assert '! label "sales" has only 1 rows' in text
    assert "! 2 rows contradict each other (same inputs, different targets): 3/4" in text
    assert "! 1 rows have no target" in text
    assert "!" not in make(100).describe()
    assert "labels" not in rows([(f"t{i}", i / 7) for i in range(20)]).describe()
