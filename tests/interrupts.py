"""What does Ctrl-C leave behind? A KeyboardInterrupt at every line of an action, one by one."""

import gc
import sys
from collections.abc import Callable


def interrupted_at_every_line(action: Callable[[], object], check: Callable[[], object]) -> int:
    """Call action() with a KeyboardInterrupt at its first line, then at its second, to its end.

    action  does the same each time it is called; every line counts that it runs, in any file
    check   is called after each call of it; it asserts what must hold, and may prepare the next

    Returns how many lines there were.
    """
    action()  # fills the caches of Python, in which an interrupt may be swallowed
    check()
    line = 1
    while interrupted_at(line, action):
        check()
        line += 1
    check()
    assert line > 1, "the action has no line to interrupt"
    return line - 1


def interrupted_at(line: int, action: Callable[[], object]) -> bool:
    """Call action(), which is interrupted at this line, unless it has fewer."""
    left = line

    def trace(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt  # Python takes the trace away with it
        return trace

    before = sys.gettrace()
    gc.disable()  # an interrupt of what the collector calls is swallowed
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    assert left > 0, f"the interrupt at line {line} was swallowed"
    return False
