"""How often tests draw their data: THOROUGH=5 draws five times as often, as the gate does."""

import os

THOROUGH = int(os.environ.get("THOROUGH", "1"))
