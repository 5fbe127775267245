"""The tokenizer loses nothing and cannot be made to emit control tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragrad.errors import BadRequest
from paragrad.llm.embedded.chat import encode_chat
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import counting
from paragrad.llm.embedded.tokenizer import CONTROL, Decoder, Tokenizer
from paragrad.llm.embedded.weights import load

TOKENIZER = Tokenizer(load().vocabulary)
TEXTS = st.one_of(st.text(), st.text(alphabet='abAB19 .,\n{"é€<>answerbot##_'), st.sampled_from(BANK))


@given(TEXTS)
def test_decode_inverts_encode(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(TEXTS)
def test_streaming_gives_the_same_text(text: str) -> None:
    decoder, ids = Decoder(TOKENIZER), TOKENIZER.encode(text)
    assert "".join([decoder.push(number) for number in ids]) + decoder.flush() == TOKENIZER.decode(ids)


@given(TEXTS | st.sampled_from(CONTROL))
def test_text_never_becomes_a_control_token(text: str) -> None:
    control = {TOKENIZER.ids[token] for token in CONTROL}
    assert not control & set(TOKENIZER.encode(text))


def test_known_words_are_one_token_and_keep_their_case() -> None:
    words = [TOKENIZER.vocabulary[number] for number in TOKENIZER.encode("Two apples, a CHAIR.")]
    assert words == ["<cap>", "two", "apples", ",", "a", "<up>", "chair", "."]


def test_every_bank_phrase_and_question_is_spelt_in_whole_words() -> None:
    texts = [*BANK, *STYLES.values(), *(question for question, _ in counting(50))]
    assert not [text for text in texts if any(TOKENIZER.vocabulary[n].startswith("##") for n in TOKENIZER.encode(text))]


def test_a_vocabulary_must_begin_with_the_base() -> None:
    with pytest.raises(ValueError, match="base_vocabulary"):
        Tokenizer(["apple"])


def test_chat_marks_turns() -> None:
    ids = encode_chat(TOKENIZER, [{"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}])
    assert [TOKENIZER.vocabulary[n] for n in ids] == ["<sys>", "a", "<user>", "b", "<bot>"]


@pytest.mark.parametrize("messages", [[], [{"role": "king", "content": "a"}], [{"role": "user", "content": 3}], [{"role": "user"}]])
def test_bad_messages_are_refused(messages: list[dict[str, object]]) -> None:
    with pytest.raises(BadRequest) as caught:
        encode_chat(TOKENIZER, messages)
    assert caught.value.status == 400
