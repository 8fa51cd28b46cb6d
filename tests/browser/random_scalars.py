"""Random functions of floats, over all that Values can do."""

from operator import add, mod, mul, neg, sub, truediv

from tinygrad_edu.value import Value, weighted_sum

ONE = {
    "exp": Value.exp,
    "log": Value.log,
    "sqrt": Value.sqrt,
    "sin": Value.sin,
    "cos": Value.cos,
    "tanh": Value.tanh,
    "sigmoid": Value.sigmoid,
    "relu": Value.relu,
    "abs": abs,
    "neg": neg,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "power of two": lambda x: 2.0**x,
    "inverse": lambda x: 1 / x,
}
TWO = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": truediv,
    "pow": lambda x, y: abs(x) ** y,
    "mod": lambda x, y: mod(x, 1 + y * y),
    "neuron": lambda x, y: weighted_sum(x, y, y, x, 0.5),
}


CHOICES = {
    "max": (lambda x, y: y > x, lambda x, y: y, lambda x, y: x),
    "min": (lambda x, y: y < x, lambda x, y: y, lambda x, y: x),
    "if": (lambda x, y: x > 0.1, lambda x, y: x * 2, lambda x, y: x - y),
}


class RandomFunction:
    """A fixed list of calls: each takes results that are there, some of them several times.

    choices  how the branches of the last run went
    """

    def __init__(self, rng):
        self.inputs = int(rng.integers(1, 5))
        self.calls = []
        for k in range(int(rng.integers(3, 13))):
            table = ONE if rng.random() < 0.5 else {**TWO, **CHOICES}
            name = str(rng.choice(list(table)))
            known = self.inputs + k
            # The last result, so that the graph is deep, and an older one, so that it forks.
            places = [known - 1, int(rng.integers(known))][: 1 if table is ONE else 2]
            self.calls.append((name, places if rng.random() < 0.7 else places[::-1]))

    def point(self, rng):
        return {f"x{i}": float(x) for i, x in enumerate(rng.uniform(-2, 2, self.inputs))}

    def __call__(self, **point):
        self.choices = []
        known = list(point.values())
        for name, places in self.calls:
            operands = [known[i] for i in places]
            known.append(self.chosen(name, operands)(*operands))
        return sum(known[self.inputs :], known[0])

    def chosen(self, name, operands):
        if name not in CHOICES:
            return ONE.get(name) or TWO[name]
        ask, this, other = CHOICES[name]
        self.choices.append(bool(ask(*operands)))
        return this if self.choices[-1] else other
