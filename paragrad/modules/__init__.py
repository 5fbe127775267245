"""Modules that call a model, and the ways to run them."""

from paragrad.modules.generator import Generator
from paragrad.modules.prompt import Prompt, prompt
from paragrad.modules.structured import variable
from paragrad.modules.teaching import teacher
from paragrad.modules.template import format

__all__ = ["Generator", "Prompt", "format", "prompt", "teacher", "variable"]
