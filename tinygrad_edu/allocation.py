"""What happens to the memory of a large array when it is freed? It is used again."""

import numpy as np


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for later arrays: a large network trains twice as fast.

    The C library of Linux returns the memory of a large array to the system when it is freed, and
    every page of the next array then costs a page fault. After an array of almost 32 MiB was freed
    (the largest size that counts), it keeps the memory of smaller arrays. Other C libraries do not
    change their behaviour.
    """
    np.empty(2**25 - 2**16, np.uint8)
