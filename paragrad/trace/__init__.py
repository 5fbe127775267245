"""The graph kernel: Variables, Parameters, operations, Modules, backward. Standard library only."""

from paragrad.trace import hooks
from paragrad.trace import methods as _methods  # noqa: F401 - gives Variable its operators
from paragrad.trace.backward import backward
from paragrad.trace.bundle import bundle, node, op
from paragrad.trace.carrying import carry
from paragrad.trace.module import Module, model
from paragrad.trace.operation import Operation
from paragrad.trace.order import depend, effects, ordered
from paragrad.trace.overlay import overlay, pinned, transaction
from paragrad.trace.parallel import parallel
from paragrad.trace.parameter import Parameter, param
from paragrad.trace.resources import Effect, Effects, io, reads, writes
from paragrad.trace.state import no_grad
from paragrad.trace.tuples import ParameterTuple
from paragrad.trace.variable import Variable

__all__ = [
    "Effect",
    "Effects",
    "Module",
    "Operation",
    "Parameter",
    "ParameterTuple",
    "Variable",
    "backward",
    "bundle",
    "carry",
    "depend",
    "effects",
    "hooks",
    "io",
    "model",
    "no_grad",
    "node",
    "op",
    "ordered",
    "overlay",
    "parallel",
    "param",
    "pinned",
    "reads",
    "transaction",
    "writes",
]
