"""The graph kernel: Variables, Parameters, operations, Modules, backward. Standard library only."""

from paragrad.trace import hooks
from paragrad.trace import methods as _methods  # noqa: F401 - gives Variable its operators
from paragrad.trace.backward import backward
from paragrad.trace.bundle import bundle, node, op
from paragrad.trace.carrying import carry
from paragrad.trace.module import Module, model
from paragrad.trace.operation import Operation
from paragrad.trace.order import depend, effects
from paragrad.trace.overlay import overlay, pinned, transaction
from paragrad.trace.parameter import Parameter, param
from paragrad.trace.state import no_grad
from paragrad.trace.variable import Variable

__all__ = [
    "Module",
    "Operation",
    "Parameter",
    "Variable",
    "backward",
    "bundle",
    "carry",
    "depend",
    "effects",
    "hooks",
    "model",
    "no_grad",
    "node",
    "op",
    "overlay",
    "param",
    "pinned",
    "transaction",
]
