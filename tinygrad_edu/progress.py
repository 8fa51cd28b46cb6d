"""How far along is a long computation?"""

import sys
from typing import Any, Self


class Progress:
    """Progress as a bar, in a terminal if tqdm is installed; else as lines of text; or hidden.

    show   whether anything is shown
    total  the number of steps, None if it is unknown
    done   the number of steps that were made before
    unit   the name of a step
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
        """Count one more step."""
        if self.bar is not None:
            self.bar.update()

    def tell(self, line: str, short: str | None = None) -> None:
        """Print a line; if there is a bar, show `short` before it instead."""
        if self.bar is not None:
            self.bar.set_description_str(line if short is None else short)
        elif self.show:
            print(line, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
