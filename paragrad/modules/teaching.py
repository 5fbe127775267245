"""Teacher: a program run for its examples, with nothing trainable and no graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paragrad.protocols.data import Step
from paragrad.trace.overlay import Overlay
from paragrad.trace.state import STATE, within


@contextmanager
def teacher() -> Iterator[list[Step]]:
    """Run programs as teachers: Parameters are constants, nothing is recorded.

    Yields:
        The list to which every component adds one step (component, input_args, output).
    """
    steps: list[Step] = []
    made = Overlay(STATE.get().overlay, trainable=False, label="teacher")
    with within(overlay=made, record=False, steps=steps, reads=None):
        yield steps
