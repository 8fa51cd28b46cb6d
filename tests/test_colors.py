"""Every palette, for eyes that lack one kind of cone: what does it leave to tell apart?

The matrices are those of Machado, Oliveira and Fernandes 2009, "A physiologically-based model for
simulation of color vision deficiency", table 1, severity 1.0; they work on linear RGB. Distances
are those of CIELAB (CIE 15:2004, section 8.2.1), of which about 2.3 are just noticed.
"""

import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu.viz.drawing.picture import THEMES
from tinygrad_edu.viz.plots.style import COLORS, SERIES

EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
APART, STEP = 15.0, 7.0  # what two of a palette differ by at least; and two neighbours of a ramp


def linear(color):
    """Linear RGB of "#rrggbb"."""
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB, with the white of sRGB."""
    t = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, eye):
    return float(np.linalg.norm(lab(EYES[eye] @ linear(one)) - lab(EYES[eye] @ linear(other))))


def contrast(one, other, eye):
    """Of WCAG 2.2: 4.5 is asked for of text, 3 of a line that means something."""
    dark, light = sorted((XYZ @ np.clip(EYES[eye] @ linear(c), 0, 1))[1] for c in (one, other))
    return (light + 0.05) / (dark + 0.05)


def page_colors(mode):
    """The colours of a page by name, light or dark."""
    path = Path(tinygrad_edu.__file__).parent / "viz/pages/assets/page.css"
    root = re.search(r":root\b[^{]*\{(.*?)\n\}", path.read_text(encoding="utf-8"), re.DOTALL)[1]
    found = {}
    for name, value in re.findall(r"--([\w-]+): (.*?);", root):
        if colors := re.findall(r"#[0-9a-f]{6}", value):
            found[name] = colors[0 if mode == "light" else -1]
    return found


PAGES = {mode: page_colors(mode) for mode in ("light", "dark")}
# The colours that tell one thing from another.
PALETTES = {
    "series": [COLORS[name] for name in SERIES],
    **{f"{name}: lines": [x.ink, x.back] for name, x in THEMES.items() if name != "print"},
    **{f"page, {mode}: lines": [x[n] for n in ("forward", "back")] for mode, x in PAGES.items()},
    **{
        f"page, {mode}: signs": [x[n] for n in ("minus", "neutral", "plus")]
        for mode, x in PAGES.items()
    },
}
RAMPS = {name: theme.ramp for name, theme in THEMES.items()}
every_eye = pytest.mark.parametrize("eye", EYES)


@every_eye
@pytest.mark.parametrize("name", PALETTES)
def test_any_two_colours_of_a_palette_are_told_apart(name, eye):
    for one, other in combinations(PALETTES[name], 2):
        assert distance(one, other, eye) > APART, (one, other)


@every_eye
@pytest.mark.parametrize("name", RAMPS)
def test_a_ramp_goes_one_way_in_steps_that_are_seen(name, eye):
    ramp = RAMPS[name]
    assert min(distance(a, b, eye) for a, b in pairwise(ramp)) > STEP
    light = [lab(EYES[eye] @ linear(color))[0] for color in ramp]
    assert light in (sorted(light), sorted(light, reverse=True))


@every_eye
@pytest.mark.parametrize("mode", PAGES)
def test_text_and_lines_stand_out_from_the_page(mode, eye):
    page = PAGES[mode]
    for name in ("ink", "pale", "forward", "back"):
        for ground in ("ground", "paper"):
            assert contrast(page[name], page[ground], eye) > 4.5, (name, ground)
    for ground in ("input", "parameter", "root", "neutral"):  # a gradient stands in a box
        assert contrast(page["back"], page[ground], eye) > 4.5, ground


@every_eye
@pytest.mark.parametrize("name", THEMES)
def test_text_stands_out_from_the_boxes_of_a_drawing(name, eye):
    theme = THEMES[name]
    for ground in (theme.paper, theme.box, *theme.fills.values()):
        assert contrast(theme.ink, ground, eye) > 7
        assert contrast(theme.back, ground, eye) > 4.5  # a gradient stands in a box


def test_what_goes_back_has_one_colour_in_a_drawing_and_on_a_page():
    assert THEMES["light"].back.lower() == PAGES["light"]["back"]


def test_colours_that_are_not_told_apart_are_found():
    assert distance("#ff0000", "#00ff00", "all cones") > 150
    red, green = "#c87137", "#8f8a2c"  # of Ishihara's kind: chosen for equal lightness
    assert distance(red, green, "all cones") > 35
    assert distance(red, green, "deuteranopia") < APART < distance(red, green, "tritanopia")


def test_white_and_grey_stay_what_they_are_and_black_to_white_is_a_hundred():
    for eye in EYES:
        assert distance("#000000", "#ffffff", eye) == pytest.approx(100, abs=0.1)
        np.testing.assert_allclose(EYES[eye] @ linear("#808080"), linear("#808080"), atol=1e-5)
