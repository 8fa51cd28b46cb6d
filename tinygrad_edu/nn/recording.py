"""Where the nodes of a graph come from: by which module of a network, at which line."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tinygrad_edu.graph import Node
from tinygrad_edu.messages import user_line
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.nn.module import Module


class Record:
    """What `record` noted down, for `describe`, `draw` and the like.

    modules  the class of each module of the model, by its path, the model itself under ""
    made_by  for each node, by its birth, the path of the innermost module that made it
    lines    for each node, by its birth, the line of your program that made it
    owner    for each parameter, by its id, the path of the module that it belongs to
    """

    def __init__(self, model: Module | None = None) -> None:
        self.model = model
        self.modules: dict[str, str] = {}
        self.owner: dict[int, str] = {}
        self.made_by: dict[int, str] = {}
        self.lines: dict[int, str] = {}
        if model is not None:
            self.modules = {path: type(x).__name__ for path, x in model.named_modules()}
            self.owner = {id(p): self.innermost(f"{name}.") for name, p in model.named_parameters()}

    def innermost(self, prefix: str) -> str:
        """The path of the innermost module whose path begins `prefix`."""
        return self.chain(prefix)[-1]

    def chain(self, path: str) -> list[str]:
        """The paths of the modules around and at `path`, the outermost, "", first."""
        around = [x for x in self.modules if not x or f"{path}.".startswith(f"{x}.")]
        return sorted(around, key=len)

    def has_parts(self, path: str) -> bool:
        """Whether there are modules inside the one at `path`."""
        return any(other != path and path in self.chain(other) for other in self.modules)

    def module_of(self, node: Node) -> str | None:
        """The path of the module that made or owns a node, None for one from outside."""
        return self.made_by.get(node.birth) if node.inputs else self.owner.get(id(node))


@contextmanager
def record(model: Module | None = None, lines: bool = False) -> Iterator[Record]:
    """Inside, note for every node which module of the model makes it, and with `lines` where.

        with viz.record(model) as made:
            loss = cross_entropy(model(x), y)
        draw(loss, record=made, depth=1)

    Only inside does this take time: ordinary forward passes note nothing.
    """
    made, previous = Record(model), RECORDING.get()
    with ExitStack() as stack:
        calls = [] if model is None else stack.enter_context(model.watched())

        def note(node: Node) -> None:
            if calls:
                made.made_by[node.birth] = calls[-1]
            if lines:
                made.lines[node.birth] = user_line()
            if callable(previous):
                previous(node)

        stack.enter_context(temporarily(RECORDING, previous and note))
        yield made
