"""What only Parameters of numbers have: shape and element type, ``set_data``, ``clone``, the parameter server.

Source: the Parameter document of MindSpore; where its examples and its code disagree, the document holds.
"""

from __future__ import annotations

from typing import Any, Self

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.trace.cell import Cell
from paragrad.trace.deferred import MAKING, is_lazy
from paragrad.trace.described import Meta, checked_flag
from paragrad.trace.nodes import Node
from paragrad.trace.state import STATE, before_write
from paragrad.trace.values import brief
from paragrad.trace.variable import Variable

Form = tuple[tuple[int, ...], str]


class Numeric:
    """The numeric half of a Parameter. A space whose values are numbers has ``form`` and ``fitted``."""

    __slots__ = ()

    _bound: Any
    _cell: Cell
    _meta: Meta
    _n: Node
    _trained: bool
    checked: Any
    write: Any
    _begin: Any
    _defer: Any
    _set_live: Any
    name: Any
    role: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; () of a number. Nothing is made to know it."""
        return self._known_form("shape")[0]

    @property
    def dtype(self) -> str:
        """The element type's name; a Python number counts as "float32" or "int64" and is kept unrounded."""
        return self._known_form("dtype")[1]

    def _known_form(self, name: str) -> Form:
        form = self._form()
        if form is None:
            raise AttributeError(f"a Parameter of kind {getattr(self._meta.space, 'kind', 'unset')!r} has no {name}", name=name, obj=self)
        return form

    def _form(self) -> Form | None:
        """Shape and element type, or None without numbers; makes no array."""
        meta = self._meta
        form = getattr(meta.space, "form", None)
        if form is None:
            return None
        value = meta.pending if meta.pending is not None else meta.start
        if value is None:
            value = self._n.value
        return None if value is None else form(value)

    def set_data(self, data: Any, slice_shape: bool = False) -> Self:
        """Replace the value; the element type stays.

        Args:
            data: an array, tensor, list, number, initializer, or an initializer's name. Narrower types are widened.
                An initializer is deferred again where nothing else asks for the value.
            slice_shape: the data are this process's slice: the shape may change, and ``sliced`` becomes True.

        Raises:
            TypeError: data that are no numbers, or that would be narrowed; nothing is changed.
            ValueError: another shape without ``slice_shape``, or what the space refuses; nothing is changed.
            UsageError: a change of shape inside an overlay, where it could not stay.
        """
        checked_flag("slice_shape", slice_shape)
        before_write()
        form = self._form()
        if form is None:
            self.write(self.checked(data))
            return self
        meta = self._meta
        value, space = meta.space.fitted(self._resolved(data, form), form, slice_shape)
        if space is not meta.space:
            self._reshape(value, space)
        elif is_lazy(value) and STATE.get().overlay is None and self._bound is None:
            with MAKING:
                self._cell.current += 1
                self._defer(value)
        else:
            self.write(self.checked(value) if is_lazy(value) else value)
        if slice_shape:
            meta.sliced = True
        return self

    def clone(self, init: Any = "same") -> Self:
        """An independent Parameter with the same form and flags; its name may be changed after. It lives in no store.

        Args:
            init: "same" for this value, or what ``set_data`` takes: zeros, say, in the shape of this one.

        Raises:
            TypeError, ValueError: as ``set_data``.
        """
        with MAKING:
            if self._meta.pending is not None and hasattr(self._meta.pending, "fixed"):  # both are to draw the same
                self._meta.pending = self._meta.pending.fixed(self._meta.name or self._meta.path)
            meta = self._meta.copied()
            pending = self._meta.pending
            value = None if pending is not None else self._meta.start if self._meta.start is not None else self._n.value
        form = self._form()
        if not (isinstance(init, str) and init == "same"):
            value = meta.space.fitted(self._resolved(init, form), form)[0] if form is not None else self.checked(init)
            value, pending = (None, value) if is_lazy(value) else (value, None)
        made = self.__class__.__new__(self.__class__)
        made._begin(meta, self._trained, value, pending)
        return made

    def set_param_ps(self, on: bool = True, store: Any = None) -> Self:
        """Move the value, its gradient and its optimizer's state to a parameter server, or back.

        Args:
            on: whether a server holds it: workers push gradients and pull values, the server applies the optimizer.
            store: the server, or its URL; by default the one of the parameter context.
        """
        registry.facets.get("parameter_server")(self, checked_flag("on", on), store)
        return self

    def _resolved(self, data: Any, form: Form) -> Any:
        """Names become initializers of this form; Variables their value."""
        if isinstance(data, Variable):
            return data.value
        if data.__class__.__name__ == "ndarray":
            return data
        named = isinstance(data, str) or (hasattr(data, "fill") and hasattr(data, "refuse"))  # a rule, or its class, which is refused there
        return registry.facets.get("initializer")(data, form[0], form[1]) if named else data

    def _reshape(self, value: Any, space: Any) -> None:
        """Take a value of another shape, live or in the store."""
        if STATE.get().overlay is not None:
            shapes = f"from {self.shape} to {tuple(value.shape)}"
            raise UsageError(f"the shape cannot change {shapes} inside an overlay or transaction; change it outside")
        value = space.check(value)
        self._meta.space = space
        if self._bound is not None:
            self._bound.store.init_parameter(self._bound.id, value, space)
        else:
            self._set_live(value)

    def __repr__(self) -> str:
        form = self._form()
        if form is not None:
            dtype = form[1].capitalize().replace("Uint", "UInt")
            return f"Parameter (name={self.name}, shape={form[0]}, dtype={dtype}, requires_grad={self._trained})"
        return f"parameter({brief(self._n.value)}, name={self.name}, role={self.role}, requires_grad={self._trained})"
