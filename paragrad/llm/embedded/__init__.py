"""A real, small language model inside the package: trained from scratch on a toy world, for runs without a key.

``EmbeddedModel`` answers requests; ``questions`` and ``phrases`` hold the demo's task and its search
space; ``server.serve`` offers it over the OpenAI protocol. Nothing here imports numpy until a model is used.
"""

from paragrad.llm.embedded.model import EmbeddedModel

__all__ = ["EmbeddedModel"]
