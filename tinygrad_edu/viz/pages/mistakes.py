"""Which wrong answers do typical mistakes lead to?

Each answer is computed: the backward pass runs again with one mistake in it. So a mistake is
recognized by its answer, wherever in the graph it was made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.viz.graph.data import Graph
from tinygrad_edu.viz.pages.passes import Pass
from tinygrad_edu.viz.pages.slips import slips_in

# What to study again after each kind of mistake
KINDS = {
    "uses": "Fan-outs: the gradient of a value used several times is the sum over all its uses.",
    "incoming": "The chain rule: a local derivative is multiplied by the incoming gradient.",
    "chain": "The chain rule: every operation on the way multiplies by its own derivative.",
    "power": "Powers: the derivative of xⁿ is n · xⁿ⁻¹. The exponent comes down as a factor.",
    "operand": "Products: the derivative of x · y with respect to x is y, the other operand.",
    "quotient": "Quotients: the derivative of x / y is 1 / y for x and -x / y² for y.",
    "sign": "Signs: the gradient of a value that is subtracted gets a minus sign.",
    "gate": "Gates: relu passes a gradient on where its input is positive, and nothing elsewhere.",
    "function": "Functions: the derivative of tanh is 1 - tanh², computed from its result.",
    "broadcast": "Broadcasting: the gradient of a stretched array is summed along the axes that "
    "were stretched.",
    "transpose": "Matrix products: for y = W x and the gradient g of y, the gradient of x is Wᵀ g "
    "and the gradient of W is g xᵀ.",
    "element": "Indices: first the row, then the column, both counted from 0.",
    "prediction": "Predictions: follow the path of the gradient, and see which values change.",
}


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, the mistake that leads to it, and its kind: a key of KINDS."""

    answer: float
    reason: str
    kind: str


class Mistakes:
    """The typical mistakes in the backward pass of a graph, and the answers that they lead to."""

    def __init__(self, graph: Graph) -> None:
        self.backward = Pass(graph)
        place = {i: k for k, i in enumerate(graph.order)}
        made = sorted(slips_in(self.backward), key=lambda slip: -place[slip.node])
        with np.errstate(all="ignore"):
            self.made = [
                (slip, self.backward.gone_wrong(slip.terms, slip.node if slip.product else None))
                for slip in made
            ]

    def of(self, node: int, index: tuple[int, ...]) -> Iterator[Mistake]:
        """The wrong answers for one element of the gradient of a node, the likeliest first."""
        gradient = self.backward.gradients[node]
        yield from self.of_sums(node, index)
        for slip, wrong in self.made:
            if wrong.get(node) is not None:
                at = "" if slip.node == node else f"At {slip.place}: "
                yield Mistake(float(wrong[node][index]), at + slip.reason, slip.kind)
        yield Mistake(-float(gradient[index]), "The size is right, the sign is wrong.", "sign")
        for other in np.ndindex(gradient.shape):
            reason = f"This is the element [{', '.join(map(str, other))}]."
            yield Mistake(float(gradient[other]), reason, "element")

    def of_sums(self, node: int, index: tuple[int, ...]) -> Iterator[Mistake]:
        """The wrong answers of forgotten sums."""
        backward = self.backward
        for e in backward.uses[node]:
            others = float((backward.gradients[node] - backward.contributions[e])[index])
            parts = backward.parts(e, index)
            if len(parts) > 1:
                stretched = "Broadcasting used the element several times: sum over the axes that it"
                for part in parts:
                    reason = f"This is one summand. {stretched} stretched."
                    yield Mistake(others + part, reason, "broadcast")
                reason = f"This is the mean of the summands. {stretched} stretched."
                yield Mistake(others + sum(parts) / len(parts), reason, "broadcast")
            for product in backward.products(e, index):
                reason = (
                    "This is one product. A matrix product adds them up: go along the row and the "
                    "column."
                )
                yield Mistake(others + product, reason, "transpose")
