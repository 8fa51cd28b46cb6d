"""Which colours does a picture have, and which colour has a gradient of this size?"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

DECADE = 1.0  # the least length of a scale, in powers of ten


@dataclass(frozen=True)
class Theme:
    """The colours of a picture: `back` for the backward pass, `ramp` from small to large."""

    paper: str
    ink: str
    pale: str
    back: str
    box: str
    fills: dict[str, str]
    ramp: tuple[str, ...]
    not_finite: str

    def shade(self, place: float) -> str:
        """The colour at this place of the ramp, from 0 to 1."""
        at = place * (len(self.ramp) - 1)
        low = min(int(at), len(self.ramp) - 2)
        return mixed(self.ramp[low], self.ramp[low + 1], at - low)


@dataclass(frozen=True)
class Scale:
    """A logarithmic scale of gradients, from 10**low to 10**high."""

    low: float
    high: float

    def place(self, size: float) -> float:
        """The place of a size, from 0 to 1; a size outside the scale gets the nearer end."""
        if not size:
            return 0.0
        return min(max((log10(size) - self.low) / (self.high - self.low), 0.0), 1.0)

    def marks(self, count: int) -> list[str]:
        """The sizes at equally spaced places, as text."""
        step = (self.high - self.low) / (count - 1)
        return [power_of_ten(self.low + n * step) for n in range(count)]


def power_of_ten(exponent: float) -> str:
    """10**exponent with two digits. It is never computed as a whole: 10**-320 has lost digits."""
    if -4 < exponent < 4:
        return f"{10**exponent:.2g}" if exponent < 2 else f"{10**exponent:.0f}"
    whole = floor(exponent + 1e-9)
    return f"{10 ** (exponent - whole):.1f}".removesuffix(".0") + f"e{whole}"


def scale_around(sizes: Iterable[float]) -> Scale:
    """From the smallest to the largest size that is finite and not zero.

    A range of less than a decade is widened to one: so similar gradients get similar colours.
    """
    powers = [log10(size) for size in sizes if size and isfinite(size)] or [0.0]
    low, high = min(powers), max(powers)
    missing = max(0.0, DECADE - (high - low)) / 2
    return Scale(low - missing, high + missing)


def mixed(a: str, b: str, share: float) -> str:
    """A colour this share of the way from a to b."""
    pairs = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(x + (y - x) * share):02X}" for x, y in pairs)


def ink_on(fill: str) -> str:
    """Black or white, whichever has the higher contrast (WCAG 2.1, relative luminance)."""
    channels = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000000" if luminance > 0.179 else "#FFFFFF"


THEMES = {
    "light": Theme(
        paper="#FFFFFF",
        ink="#222222",
        pale="#666666",
        back="#A63B00",
        box="#F6F6F6",
        fills={
            "input": "#E3EFF9",
            "parameter": "#FFF1C9",
            "constant": "#EEEEEE",
            "module": "#ECE6F5",
            "root": "#DDF2E9",
        },
        ramp=("#FFFFD9", "#C7E9B4", "#7FCDBB", "#41B6C4", "#1D91C0", "#225EA8", "#0C2C84"),
        not_finite="#D55E00",
    ),
    "dark": Theme(
        paper="#15181C",
        ink="#E8E8E8",
        pale="#A6A6A6",
        back="#FFAD70",
        box="#1F242A",
        fills={
            "input": "#1E3A52",
            "parameter": "#4F400F",
            "constant": "#33383E",
            "module": "#3A2F52",
            "root": "#1D4A39",
        },
        ramp=("#440154", "#443983", "#31688E", "#21918C", "#35B779", "#90D743", "#FDE725"),
        not_finite="#E0457B",
    ),
    "print": Theme(
        paper="#FFFFFF",
        ink="#000000",
        pale="#000000",
        back="#000000",
        box="#FFFFFF",
        fills={},
        ramp=("#FFFFFF", "#E8E8E8", "#D4D4D4", "#C0C0C0", "#ACACAC", "#989898", "#848484"),
        not_finite="#000000",
    ),
}
