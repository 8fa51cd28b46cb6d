"""micrograd: a closure on every node, and an order found by recursion."""

from micrograd.engine import Value
from micrograd.nn import MLP

CANNOT = {}


def scalars(arrays, lr):
    model = MLP(2, [16, 16, 1])
    parameters = model.parameters()
    for p, weight in zip(parameters, arrays["weights"].tolist(), strict=True):
        p.data = weight
    points = [list(map(Value, point)) for point in arrays["points"].tolist()]
    labels = arrays["labels"].tolist()

    def step():
        model.zero_grad()
        losses = [
            (1 + -label * model(point)).relu() for point, label in zip(points, labels, strict=True)
        ]
        loss = sum(losses) * (1 / len(losses))
        loss.backward()
        for p in parameters:
            p.data -= lr * p.grad
        return float(loss.data)

    return step


def graph():
    return Value, lambda node: node.backward(), lambda leaf: leaf.grad
