"""Laws of stores: gradients and leases."""

from __future__ import annotations

import numpy

from paragrad.errors import Conflict
from paragrad.testing.store_kit import Kit, law, refused, same, together


@law
def gradient_starts_at_zero(kit: Kit) -> None:
    """A new parameter's gradient is zero, of its shape."""
    same(kit.store.get_gradient(kit.number()), 0.0)
    same(kit.store.get_gradient(kit.array()), [0.0, 0.0])


@law
def gradient_adds(kit: Kit) -> None:
    """Increments add up, with their scale (GT2)."""
    n, w = kit.number(), kit.array()
    kit.store.increment_gradient(n, 1.1)
    kit.store.increment_gradient(n, 1.1, 2.0)
    kit.store.increment_gradient(w, numpy.array([1.1, 1.2]))
    kit.store.increment_gradient(w, numpy.array([1.1, 1.2]), 2.0)
    same(kit.store.get_gradient(n), 1.1 + 1.1 * 2.0)
    same(numpy.allclose(kit.store.get_gradient(w), [3.3, 3.6], rtol=1e-14), True)
    same(kit.store.get_parameter_value(n), 1.0)


@law
def gradient_resets(kit: Kit) -> None:
    """``reset_gradient`` leaves zero and the value."""
    w = kit.array()
    kit.store.increment_gradient(w, [1.0, 1.0])
    kit.store.reset_gradient(w)
    same(kit.store.get_gradient(w), [0.0, 0.0])
    same(kit.store.get_parameter_value(w), [1.0, 2.0])


@law
def gradient_survives_set(kit: Kit) -> None:
    """Setting a value keeps what was pushed."""
    n = kit.number()
    kit.store.increment_gradient(n, 2.0)
    kit.store.set_parameter_value(n, 5.0)
    same(kit.store.get_gradient(n), 2.0)


@law
def gradient_wrong_shape(kit: Kit) -> None:
    """A wrong shape is refused before anything is added."""
    n, w = kit.number(), kit.array()
    for id, delta in ((w, [1.0]), (w, [1.0, 2.0, 3.0]), (w, 1.0), (w, [[1.0, 2.0]]), (n, [1.0, 2.0])):
        with refused(ValueError, TypeError):
            kit.store.increment_gradient(id, numpy.array(delta))
    same((kit.store.get_gradient(n), *kit.store.get_gradient(w)), (0.0, 0.0, 0.0))


@law
def gradient_wrong_type(kit: Kit) -> None:
    """A delta that is no real number is refused before anything is added."""
    n, w = kit.number(), kit.array()
    for id, delta in ((n, "1"), (n, True), (n, 1j), (n, None), (w, numpy.array(["a", "b"])), (w, numpy.array([1j, 2j]))):
        with refused(TypeError, ValueError):
            kit.store.increment_gradient(id, delta)
    same((kit.store.get_gradient(n), *kit.store.get_gradient(w)), (0.0, 0.0, 0.0))


@law
def gradient_of_words(kit: Kit) -> None:
    """A text has no numeric gradient."""
    with refused(TypeError):
        kit.store.increment_gradient(kit.text(), 1.0)


@law
def gradient_from_threads(kit: Kit) -> None:
    """Eight threads lose nothing."""
    n, w = kit.number(), kit.array()

    def push(number: int) -> None:
        for _ in range(12):
            kit.store.increment_gradient(n, 1.0)
            kit.store.increment_gradient(w, numpy.array([1.0, 2.0]), 0.5)

    together(8, push)
    same(kit.store.get_gradient(n), 96.0)
    same(kit.store.get_gradient(w), [48.0, 96.0])


@law
def token_counts_once(kit: Kit) -> None:
    """A push with a known token adds nothing, also after the gradient was taken."""
    n = kit.number()
    for _ in range(3):
        kit.store.increment_gradient(n, 1.0, token="push 1")
    kit.store.increment_gradient(n, 1.0, token="push 2")
    same(kit.store.get_gradient(n), 2.0)
    lease = kit.store.take_gradients([n])
    kit.store.increment_gradient(n, 1.0, token="push 1")
    same(kit.store.get_gradient(n), 0.0)
    kit.store.publish({n: 0.0}, consume=lease)


@law
def lease_takes(kit: Kit) -> None:
    """A lease has the sums and counts and leaves zero."""
    n, w = kit.number(), kit.array()
    kit.store.increment_gradient(n, 2.0)
    kit.store.increment_gradient(n, 3.0)
    lease = kit.store.take_gradients([n, w])
    same((lease.gradients[n], lease.counts[n], lease.counts[w]), (5.0, 2, 0))
    same(lease.gradients[w], [0.0, 0.0])
    same(kit.store.get_gradient(n), 0.0)
    lease.release()


@law
def lease_is_consumed(kit: Kit) -> None:
    """``publish(consume=)`` uses the lease up; it does not come back."""
    n = kit.number()
    kit.store.increment_gradient(n, 2.0)
    lease = kit.store.take_gradients([n])
    kit.store.publish({n: 3.0}, consume=lease)
    lease.release()
    same((kit.store.get_gradient(n), kit.store.get_parameter_value(n)), (0.0, 3.0))


@law
def lease_is_consumed_once(kit: Kit) -> None:
    """A second ``publish`` with the same lease is a Conflict and writes nothing."""
    n = kit.number()
    lease = kit.store.take_gradients([n])
    kit.store.publish({n: 3.0}, consume=lease)
    with refused(Conflict):
        kit.store.publish({n: 4.0}, consume=lease)
    same(kit.store.get_parameter_value(n), 3.0)


@law
def lease_is_returned(kit: Kit) -> None:
    """``release`` returns the sums, together with what came in meanwhile; once."""
    n, w = kit.number(), kit.array()
    kit.store.increment_gradient(n, 2.0)
    kit.store.increment_gradient(w, [1.0, 2.0])
    lease = kit.store.take_gradients([n, w])
    kit.store.increment_gradient(n, 0.5)
    lease.release()
    lease.release()
    same(kit.store.get_gradient(n), 2.5)
    same(kit.store.get_gradient(w), [1.0, 2.0])


@law
def lease_returned_is_spent(kit: Kit) -> None:
    """A released lease cannot be consumed."""
    n = kit.number()
    lease = kit.store.take_gradients([n])
    lease.release()
    with refused(Conflict):
        kit.store.publish({n: 4.0}, consume=lease)


@law
def lease_survives_refusal(kit: Kit) -> None:
    """A refused ``publish`` leaves its lease open."""
    n = kit.number()
    kit.store.increment_gradient(n, 2.0)
    lease = kit.store.take_gradients([n])
    with refused(Conflict):
        kit.store.publish({n: 4.0}, expect={n: -1}, consume=lease)
    lease.release()
    same(kit.store.get_gradient(n), 2.0)


@law
def lease_expires(kit: Kit) -> None:
    """A lease whose time is over returns its sums and cannot be consumed."""
    n = kit.number()
    kit.store.increment_gradient(n, 2.0)
    usual, kit.store.lease_seconds = kit.store.lease_seconds, -1.0
    lease = kit.store.take_gradients([n])
    kit.store.lease_seconds = usual
    same(kit.store.get_gradient(n), 2.0)
    with refused(Conflict):
        kit.store.publish({n: 0.0}, consume=lease)


@law
def pushed_is_applied_plus_pending(kit: Kit) -> None:
    """While threads push and another applies, nothing is lost and nothing counts twice."""
    n = kit.number(value=0.0)

    def work(number: int) -> None:
        for _ in range(10):
            if number:
                kit.store.increment_gradient(n, 1.0)
                continue
            lease = kit.store.take_gradients([n])
            kit.store.publish({n: kit.store.get_parameter_value(n) + lease.gradients[n]}, consume=lease)

    together(4, work)
    same(kit.store.get_parameter_value(n) + kit.store.get_gradient(n), 30.0)
