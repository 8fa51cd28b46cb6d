"""Which functions of NumPy have a derivative here? Writes coverage.md, from NumPy and the table.

    python docs/make_coverage.py

Every function in `numpy` and `numpy.linalg` that asks its arguments for their own version of it is
in exactly one list: it has a rule, it is put together from functions that have, its answer has no
derivative, or it is left out for a reason that is given.
"""

from pathlib import Path

import numpy as np

from tinygrad_edu.graph import RULES
from tinygrad_edu.numpy_api.dispatch import COMPOSITIONS, NON_DIFFERENTIABLE
from tinygrad_edu.numpy_api.indexing import change_in_place

PAGE = Path(__file__).parent / "coverage.md"

LEFT_OUT = {
    "They are of whole numbers, bits, dates or text": (
        "busday_count busday_offset datetime_as_string is_busday isnat packbits unpackbits ldexp "
        "frexp"
    ),
    "They change an array in place": "copyto fill_diagonal place put put_along_axis putmask",
    "They call a function of Python on parts of an array": (
        "apply_along_axis apply_over_axes piecewise"
    ),
    "They write to a file": "save savetxt savez savez_compressed",
    "They plan and do not compute": "einsum_path",
    "They are complex, or can be": (
        "angle real_if_close sort_complex linalg.eig linalg.eigvals roots unwrap"
    ),
    "They are short to write with what is here, and nobody has asked yet": (
        "convolve corrcoef correlate cov cumulative_prod cumulative_sum ediff1d geomspace "
        "histogram2d histogramdd i0 interp logspace nancumprod nancumsum nanmax "
        "nanmedian nanmin nanpercentile nanprod nanquantile nanstd nanvar percentile poly polyadd "
        "polyder polydiv polyfit polyint polymul polysub polyval quantile trim_zeros vander "
        "linalg.cond linalg.lstsq linalg.matrix_norm linalg.vector_norm"
    ),
}


def functions() -> dict[str, object]:
    """NumPy's functions that a Tensor can answer for: {name: function}."""
    found = {}
    for prefix, module in (("", np), ("linalg.", np.linalg)):
        for name in dir(module):
            function = getattr(module, name)
            kind = type(function).__name__
            if not name.startswith("_") and kind in ("ufunc", "_ArrayFunctionDispatcher"):
                found[prefix + name] = function
    return found


def lists() -> dict[str, list[str]]:
    """Each heading of the page with its functions; a function in no list is under ''."""
    reasons = {name: reason for reason, names in LEFT_OUT.items() for name in names.split()}
    headings = ["They have a rule", "They are put together from functions that have one"]
    headings += ["Their answers have no derivative, and are plain arrays", *LEFT_OUT, ""]
    page: dict[str, list[str]] = {heading: [] for heading in headings}
    composed = {f for f, composition in COMPOSITIONS.items() if composition is not change_in_place}
    for name, function in functions().items():
        tables = zip(headings, (RULES, composed, NON_DIFFERENTIABLE), strict=False)
        found = (heading for heading, table in tables if function in table)
        page[next(found, reasons.get(name, ""))].append(name)
    return {heading: names for heading, names in page.items() if names}


def page() -> str:
    covered, composed, plain, *left_out = (len(names) for names in lists().values())
    total = covered + composed + plain + sum(left_out)
    text = [
        "# Which functions of NumPy have a derivative here?",
        "",
        f"Of {total} functions of NumPy {np.__version__} that take arrays, {covered} have a rule, "
        f"{composed} are put together",
        f"from functions that have one, {plain} have no derivative, and {sum(left_out)} are left "
        "out. This page is written by",
        "[`make_coverage.py`](make_coverage.py).",
    ]
    for heading, names in lists().items():
        text += ["", f"## {heading}", "", ", ".join(f"`{name}`" for name in sorted(names))]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
