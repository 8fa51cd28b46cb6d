"""Where do the nodes of a graph come from: which module made each of them, at which line?"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tinygrad_edu.graph import Node
from tinygrad_edu.messages import user_line
from tinygrad_edu.modes import RECORDING, temporarily
from tinygrad_edu.nn.module import Module


class Record:
    """The notes of `record`, for `describe`, `draw` and other functions that show a graph.

    modules  path -> class name of each module of the model; the path of the model itself is ""
    made_by  birth of a node -> path of the innermost module that made it
    lines    birth of a node -> line of your program that made it
    owner    id of a parameter -> path of the module that it belongs to
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
        """The path of the innermost module whose path is the beginning of `prefix`."""
        return self.chain(prefix)[-1]

    def chain(self, path: str) -> list[str]:
        """The paths of the modules around and at `path`, the outermost, "", first."""
        around = [x for x in self.modules if not x or f"{path}.".startswith(f"{x}.")]
        return sorted(around, key=len)

    def has_parts(self, path: str) -> bool:
        """Whether there are modules inside the one at `path`."""
        return any(other != path and path in self.chain(other) for other in self.modules)

    def module_of(self, node: Node) -> str | None:
        """The path of the module that made or owns a node; None for a node from outside."""
        return self.made_by.get(node.birth) if node.inputs else self.owner.get(id(node))


@contextmanager
def record(model: Module | None = None, lines: bool = False) -> Iterator[Record]:
    """In the block, note which module makes each node, and, if `lines`, which line of a program.

        with viz.record(model) as made:
            loss = cross_entropy(model(x), y)
        draw(loss, record=made, depth=1)

    Forward passes outside of such a block note nothing and are not slower.
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
