"""Propagators: how each kind of gradient travels backward over the graph.

To add one: a file here with a class like those below, and one line in ``registry.propagators``.
"""

from paragrad.propagators.base import Base
from paragrad.propagators.episodes import Episodes
from paragrad.propagators.numeric import Numeric
from paragrad.propagators.score import Score
from paragrad.propagators.subgraph import Subgraph
from paragrad.propagators.text import Text

__all__ = ["Base", "Episodes", "Numeric", "Score", "Subgraph", "Text"]
