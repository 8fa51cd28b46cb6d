"""How are a loss and its gradients computed together, where arrays are computed later?"""

from typing import Any

from tinygrad_edu.graph import plain
from tinygrad_edu.nn import Module
from tinygrad_edu.operands import is_lazy


def compute(loss: Any, model: Module) -> float:
    """The loss as a number, and with it all gradients of the model, in one pass over lazy arrays.

    On arrays of Dask, `loss.backward()` only writes down how the gradients are computed. To compute
    them one by one would run the forward pass again for each. Call this after `backward()`: every
    `.grad` is then an array of NumPy. The gradient of a parameter that is lazy itself, as after
    `model.to(dask.array)`, stays an array of Dask, and so does the parameter; both are computed.

    Without lazy arrays there is nothing to do, and this is `float(loss.data)`.
    """
    lazy: list[Any] = []
    others: list[Any] = []
    for p in model.parameters():
        (lazy if is_lazy(p.data) else others).append(p)
    grads_of = [[plain(p.grad) for p in parameters] for parameters in (lazy, others)]
    if not any(map(is_lazy, [loss.data, *grads_of[1]])):
        return float(loss.data)
    from dask import base

    buffers = [x for _, x in model.named_buffers() if is_lazy(x)]
    state = [p.data for p in lazy], buffers
    number, (data, arrays), grads, taken = base.persist(loss.data, state, *grads_of)
    number, taken = base.compute(number, taken)
    for p, g in zip([*lazy, *others], [*grads, *taken], strict=True):
        p.grad = g
    model.set_state(lazy, data, buffers, arrays)
    return float(number)
