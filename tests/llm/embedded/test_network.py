"""Logits are the same bits alone, in any batch, at any place, with any padding; torch agrees."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from paragrad.errors import Corrupted
from paragrad.llm.embedded.chat import encode_chat
from paragrad.llm.embedded.network import SHARE, TABLE_TOP, UNIT, VALUE, Network, exp_table
from paragrad.llm.embedded.questions import counting
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import EXACT, HERE, Weights, load, read_checked


def prompts(tokenizer: Tokenizer, number: int = 12) -> list[list[int]]:
    rng = random.Random(0)
    asked = [[{"role": "user", "content": question}] for question, _ in counting(number)]
    encoded = [encode_chat(tokenizer, messages) for messages in asked]
    return [ids[: rng.randint(5, len(ids))] for ids in encoded]


def read(network: Network, rows: list[list[int]], padding: int = 0, room: int = 0) -> npt.NDArray[np.float32]:
    counts = np.array([len(row) for row in rows], np.intp)
    tokens = np.full((len(rows), int(counts.max()) + padding), 7, np.intp)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    return network.extend(network.cache(len(rows), tokens.shape[1] + room), tokens, counts)


@pytest.mark.parametrize("size", [2, 3, 12])
@pytest.mark.parametrize("padding", [0, 1, 37])
def test_logits_do_not_depend_on_the_batch(network: Network, tokenizer: Tokenizer, size: int, padding: int) -> None:
    rows = prompts(tokenizer)
    alone = [read(network, [row])[0].tobytes() for row in rows]
    random.Random(size).shuffle(order := list(range(len(rows))))
    for begin in range(0, len(rows), size):
        part = order[begin : begin + size]
        batch = read(network, [rows[number] for number in part], padding, room=5)
        assert [logits.tobytes() for logits in batch] == [alone[number] for number in part]


def test_reading_token_by_token_gives_the_same_bits(network: Network, tokenizer: Tokenizer) -> None:
    row = prompts(tokenizer)[0]
    whole = network.all_logits(np.array(row))
    cache, one = network.cache(1, len(row)), np.ones(1, np.intp)
    steps = [network.extend(cache, np.array([[token]]), one)[0] for token in row]
    assert np.array(steps).tobytes() == whole.tobytes()


def test_writing_in_a_batch_of_unequal_lengths(network: Network, tokenizer: Tokenizer) -> None:
    rows = prompts(tokenizer, 5)
    counts = np.array([len(row) for row in rows], np.intp)
    tokens = np.zeros((5, int(counts.max())), np.intp)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    cache = network.cache(5, tokens.shape[1] + 9)
    network.extend(cache, tokens, counts)
    after = network.extend(cache.select([4, 2, 0]), np.full((3, 1), 300), np.ones(3, np.intp))
    for logits, number in zip(after, (4, 2, 0), strict=True):
        assert logits.tobytes() == read(network, [[*rows[number], 300]])[0].tobytes()


def test_every_sum_stays_exact(weights: Weights) -> None:
    for layer in weights.layers:
        for matrix in (layer.qkv, layer.out, layer.up, layer.down):
            assert float(np.abs(matrix.matrix).sum(0).max()) * float(matrix.limit) < EXACT
            assert (matrix.matrix == np.rint(matrix.matrix)).all()
    context = weights.config.context
    assert (UNIT + 0.5 * weights.config.size**0.5) ** 2 < EXACT
    assert (SHARE + context / 2) * VALUE < EXACT
    assert TABLE_TOP * context < EXACT
    assert exp_table()[-1] == 0


def test_torch_computes_the_same(network: Network, tokenizer: Tokenizer) -> None:
    torch = pytest.importorskip("torch")
    from paragrad.llm.embedded.torch_model import TorchModel

    torch.set_num_threads(1)
    twin = TorchModel()
    for row in prompts(tokenizer, 4):
        ours = network.all_logits(np.array(row))
        with torch.no_grad():
            theirs = twin(torch.tensor([row]))[0].numpy()
        assert np.abs(ours - theirs).max() < 0.02 * ours.std() + 0.05
        assert np.abs(ours - theirs).mean() < 0.01 * ours.std()


def test_torch_gradients_reach_weights_and_adapters(network: Network) -> None:
    pytest.importorskip("torch")
    from paragrad.llm.embedded.torch_model import TorchModel

    asked = [{"role": "user", "content": "Two apples. How many fruits?"}]
    twin = TorchModel(rank=2)
    twin.logprob(asked, "2").backward()  # type: ignore[no-untyped-call]
    touched = {name.rsplit(".", 1)[1] for name, p in twin.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert touched == {"high"}
    merged = Network(twin.to_weights()).all_logits(np.arange(300, 320))
    assert np.abs(merged - network.all_logits(np.arange(300, 320))).max() < 1e-3


def test_weights_fit_and_are_what_the_record_says(weights: Weights) -> None:
    path = HERE / "weights.safetensors"
    assert path.stat().st_size <= 8_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.digest


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_a_flipped_byte_is_refused(tmp_path: Path, name: str) -> None:
    for file in ("weights.safetensors", "weights.json"):
        shutil.copy(HERE / file, tmp_path / file)
    good = (tmp_path / name).read_bytes()
    rng = random.Random(name)
    for _ in range(20):
        place = rng.randrange(len(good))
        bad = bytearray(good)
        bad[place] ^= 1 << rng.randrange(7)
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(Corrupted):
            read_checked(tmp_path)


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Corrupted, match="reinstall"):
        load(tmp_path)
    (tmp_path / "weights.json").write_text(json.dumps({"sha256": "0"}))
    (tmp_path / "weights.safetensors").write_bytes(b"\x00" * 3)
    with pytest.raises(Corrupted):
        load(tmp_path)
