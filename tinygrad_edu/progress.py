"""How far is a long computation?"""

import sys
from typing import Any, Self


class Progress:
    """A bar in a terminal that has tqdm; else a line for each thing that is told; or nothing.

    show   whether anything is shown
    total  how many steps there are, None if nobody knows; `done` of them were made before
    unit   what a step is
    delay  seconds before a bar appears
    """

    def __init__(
        self, show: bool, total: int | None, *, done: int = 0, unit: str, delay: float = 0
    ) -> None:
        self.show = show
        self.bar: Any = None
        if show and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=total, initial=done, unit=unit, delay=delay)

    def step(self) -> None:
        """One more is done."""
        if self.bar is not None:
            self.bar.update()

    def tell(self, line: str, short: str | None = None) -> None:
        """Print a line; where there is a bar, `short` stands before it instead."""
        if self.bar is not None:
            self.bar.set_description_str(line if short is None else short)
        elif self.show:
            print(line, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
