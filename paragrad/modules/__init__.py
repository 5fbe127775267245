"""Modules that call a model, and the ways to run them."""

from paragrad.modules.agent import Agent
from paragrad.modules.critic import Critic
from paragrad.modules.generator import Generator
from paragrad.modules.history import Messages
from paragrad.modules.media import Audio, File, Image
from paragrad.modules.prompt import Prompt, prompt
from paragrad.modules.retriever import Retriever
from paragrad.modules.structured import variable
from paragrad.modules.teaching import teacher
from paragrad.modules.template import format
from paragrad.modules.tools import Tool, tool

__all__ = [
    "Agent",
    "Audio",
    "Critic",
    "File",
    "Generator",
    "Image",
    "Messages",
    "Prompt",
    "Retriever",
    "Tool",
    "format",
    "prompt",
    "teacher",
    "tool",
    "variable",
]
