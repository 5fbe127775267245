"""One loaded model for all tests of this folder."""

from __future__ import annotations

import pytest

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.network import Network
from paragrad.llm.embedded.tokenizer import Tokenizer
from paragrad.llm.embedded.weights import Weights, load


@pytest.fixture(scope="session")
def weights() -> Weights:
    return load()


@pytest.fixture(scope="session")
def network(weights: Weights) -> Network:
    return Network(weights)


@pytest.fixture(scope="session")
def tokenizer(weights: Weights) -> Tokenizer:
    return Tokenizer(weights.vocabulary)


@pytest.fixture(scope="session")
def model() -> EmbeddedModel:
    return EmbeddedModel()
