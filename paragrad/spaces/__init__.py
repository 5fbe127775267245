"""Kinds of values: how each is checked, shown, parsed, stored, updated and compared.

    Text       words                      Number   one int or float            Json    structures by type or JSON Schema
    Code       one Python function        Choice   one of several options      List    JSON-like values in order
    Demos      worked examples            Tensor   arrays of numbers           Opaque  any object, by reference

``space_for(value)`` finds the space of a plain value, ``from_spec`` reads a stored one, and
``paragrad.testing.check_space`` checks the laws of a new one. Importing this package imports nothing outside the standard library.
"""

from paragrad.spaces.base import Base
from paragrad.spaces.choice import Choice
from paragrad.spaces.code import Code
from paragrad.spaces.demos import Demos
from paragrad.spaces.infer import space_for
from paragrad.spaces.json import Json
from paragrad.spaces.list import List
from paragrad.spaces.number import Number
from paragrad.spaces.opaque import Opaque
from paragrad.spaces.scope import trespasses
from paragrad.spaces.specs import from_spec
from paragrad.spaces.tensor import Tensor
from paragrad.spaces.text import Text

__all__ = ["Base", "Choice", "Code", "Demos", "Json", "List", "Number", "Opaque", "Tensor", "Text", "from_spec", "space_for", "trespasses"]
