"""What the PyTorch programs on docs/pytorch.md print, written to side_by_side.json.

python tests/reference/make_side_by_side_reference.py
"""

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs/pytorch.md"


def programs():
    """The blocks of PyTorch, in their order."""
    page = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def printed(program, names):
    out = io.StringIO()
    with redirect_stdout(out):
        exec(program, names)
    return out.getvalue()


if __name__ == "__main__":
    names = {}
    rows = [{"program": x, "printed": printed(x, names)} for x in programs()]
    (HERE / "side_by_side.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
