"""How does a function of Values become a program of floats? It runs once on recorded floats."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu.compiler.passes import fold_constants, remove_dead, share_common
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.recording import Argument, Lender
from tinygrad_edu.compiler.tape import note_value
from tinygrad_edu.graph import Node
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.tracing import lines
from tinygrad_edu.value import Value

PASSES = fold_constants, share_common, remove_dead


def record_scalars(
    f: Callable[[dict[str, Value]], list[Any]], point: Mapping[str, float]
) -> Program:
    """What f does with the numbers of a point, as a program with one input for each number.

    f  takes a dictionary of Values and returns a list of Values and floats: the outputs

    A branch on a number becomes a guard. Raises CompileError for what a program cannot hold, such
    as float() of a Value.
    """
    lender = Lender()
    given = {}
    for i, (name, x) in enumerate(point.items()):
        given[name] = shell = object.__new__(Value)
        Node.__init__(shell, lender.lend(float(x), Argument(i), name), True, name)
    tape = lender.tape
    with temporarily(RECORDING, note_value), np.errstate(all="ignore"):
        try:
            results = f(given)
        except Exception as error:
            if tape.refusals and error is not tape.refusals[0]:  # f raised another error instead
                raise tape.refusals[0] from error
            raise
    if tape.refusals:  # f caught the error and went on
        raise tape.refusals[0]
    outputs = [lines(x.data if isinstance(x, Node) else x) for x in results]
    program = Program(
        list(lender.sources), tape.lines, outputs, origins=tape.origins, names=lender.names
    )
    for improve in PASSES:
        program = improve(program)
    return program


def backward_numbers(root: Node, nodes: list[Node]) -> tuple[dict[Node, Any], dict[Any, Any]]:
    """The gradient of each node, and what flows from it to its operand i, by (node, i).

    The numbers may be on a tape, and `watch` would make plain floats of them. So each rule is
    wrapped while `backward` runs.
    """
    gradients: dict[Node, Any] = {}
    flows: dict[tuple[Node, int], Any] = {}
    rules = {node: node.rule for node in nodes if node.rule is not None}
    try:
        for node, rule in rules.items():
            node.rule = overheard(rule, node, gradients, flows)
        root.backward(into=gradients)
    finally:
        for node, rule in rules.items():
            node.rule = rule
    return gradients, flows


def overheard(
    rule: Callable[..., Any], node: Node, gradients: dict[Node, Any], flows: dict[Any, Any]
) -> Callable[..., Any]:
    """The rule of a node, wrapped: it notes the gradient that it gets and what it returns."""

    def listening(g: Any, *arguments: Any, **options: Any) -> Any:
        partials = rule(g, *arguments, **options)
        several = partials if isinstance(partials, tuple) else (partials,)
        gradients[node] = g
        called = []
        for i, (x, partial) in enumerate(zip(node.inputs, several, strict=False)):
            wanted = isinstance(x, Node) and x.requires_grad and partial is not None
            partial = partial() if wanted and callable(partial) else partial
            if wanted:
                flows[node, i] = partial
            called.append(partial)
        return (*called, *several[len(called) :])

    return listening
