"""How much tests do: THOROUGH=5 draws data five times as often, and NO_SKIPS=1 skips no long test.

The gate does both.
"""

import os

import pytest

THOROUGH = int(os.environ.get("THOROUGH", "1"))
IN_GATE = "NO_SKIPS" in os.environ
long = pytest.mark.skipif(not IN_GATE, reason="takes long; .ci/run does it")
