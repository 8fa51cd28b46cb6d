"""How is a product, a patch or a guard written?"""

from collections.abc import Iterator
from typing import Any

from tinygrad_edu.compiler.loops.element_text import LETTERS, ElementText, literal
from tinygrad_edu.compiler.loops.lowerings import dtype_of
from tinygrad_edu.compiler.loops.nest_text import NestText, converted, indented
from tinygrad_edu.compiler.loops.nests import Access, Block, Nest, Patch, Product
from tinygrad_edu.compiler.loops.views import straight
from tinygrad_edu.compiler.text import other
from tinygrad_edu.tracing import Line

FAILED = "return FAILED"


def lines_of(step: Any, elements: ElementText) -> Iterator[str]:
    """The lines of one step of a plan."""
    if isinstance(step, Nest):
        yield from NestText(step, elements).lines()
    elif isinstance(step, Product):
        yield from product(step, elements)
    elif isinstance(step, Patch):
        yield from patch(step, elements)
    elif step.line not in elements.plan.reshaped:
        yield from question(step.line, elements)


def question(line: Line, elements: ElementText) -> Iterator[str]:
    """A guard: the function ends if the answer differs from the recorded one."""
    _, x, answer = line.inputs
    yield f"if {other(elements.element(elements.plan.resolve(x)), answer)}:"
    yield f"    {FAILED}"


def product(step: Product, elements: ElementText) -> Iterator[str]:
    """A call of BLAS: out := alpha a @ b + beta out; for a stack of matrices, in loops."""
    dtype = dtype_of(step.line)
    batch = step.line.data.ndim - 2
    target = elements.name(step.onto or step.line)
    for loop in range(batch):
        yield indented(loop, f"for {LETTERS[loop]} in range({target}.shape[{loop}]):")
    if batch:
        target += f"[{', '.join(LETTERS[:batch])}]"
    operands = zip((step.a, step.b), step.line.inputs, strict=True)
    a, b = (matrix(x, y.data.shape[-2:], batch, elements) for x, y in operands)
    alpha, beta = literal(1, dtype), literal(0, dtype)
    if step.onto is not None:
        rate = step.rate
        text = elements.name(rate) if isinstance(rate, Line) else literal(rate, dtype)
        alpha, beta = f"-{converted(text, dtype_of(rate), dtype)}", alpha
    yield indented(batch, f"gemm({a}, {b}, {target}, {alpha}, {beta})")


def matrix(access: Access, extents: Any, batch: int, elements: ElementText) -> str:
    """A matrix, as a slice of the array in which it lies."""
    base, shape = access.base, access.base.data.shape
    parts, loops = [], []
    for i, (loop, start, step) in enumerate(access.index):
        if loop is None or loop < batch:
            parts.append(elements.place(loop, start, step))
            continue
        loops.append(loop)
        last = (extents[loop - batch] - 1) * step + start + 1
        whole = start == 0 and last == shape[i] and step == 1
        parts.append(":" if whole else f"{start}:{last}" + (f":{step}" if step > 1 else ""))
    while parts and parts[-1] == ":":
        parts.pop()
    name = elements.array(base) + (f"[{', '.join(parts)}]" if parts else "")
    return name if loops == sorted(loops) else f"{name}.T"


def patch(step: Patch, elements: ElementText) -> Iterator[str]:
    """A whole array, and then its blocks."""
    line = step.line
    name, n, dtype = elements.name(line), line.data.ndim, dtype_of(line)
    if step.whole is not None:
        for i in range(n):
            yield indented(i, f"for {LETTERS[i]} in range({name}.shape[{i}]):")
        target = elements.at(line, straight(n))
        yield indented(n, f"{target} = {value_text(step.whole, dtype, elements)}")
    for block in step.blocks:
        depth = len(block.shape)
        for i in range(depth):
            yield indented(i, f"for {LETTERS[i]} in range({bound(block, i, elements)}):")
        sign = "+=" if block.adds else "="
        value = value_text(block.value, dtype, elements)
        yield indented(depth, f"{elements.at(line, block.index)} {sign} {value}")


def value_text(x: Any, dtype: Any, elements: ElementText) -> str:
    if not isinstance(x, Access):
        return literal(x, dtype)
    return converted(elements.element(x), dtype_of(x.base), dtype)


def bound(block: Block, loop: int, elements: ElementText) -> str:
    """How often a loop over a block runs: read from an array, if there is one of that size."""
    n, x = block.shape[loop], block.value
    if isinstance(x, Access) and elements.is_array(x.base):
        for i, axis in enumerate(elements.memory.axes(x.base)):
            if x.index[axis][0] == loop and x.base.data.shape[axis] == n:
                return f"{elements.array(x.base)}.shape[{i}]"
    return str(n)
