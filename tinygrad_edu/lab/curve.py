"""What became of a training, seen from nothing but the curve of its loss."""

import numpy as np
import numpy.typing as npt

from tinygrad_edu.lab.descent import Verdict

# Of a loss that is flat, the last quarter is lower than the quarter before by less than this share
# of the whole fall; and the last eighth than the eighth before by less than this share of what is
# left, unless that is less than a thousandth of the start. A loss that goes nowhere oscillates if
# it swings by more than this share of what it was at first, and is broken if it was ever that many
# times higher. It has risen again if it ends this many usual changes above its best, which is more
# than chance does. Its end and its best are two losses in a row, because one alone may be a spike.
FLAT = 0.02
SETTLED = 0.025
ARRIVED = 1e-3
SWINGS = 0.1
BROKEN = 4.0
RISEN = 6
ROUNDING = 1e-9
SHORTEST = 4
NO_FALL = "which is no fall to speak of"


def curve_verdict(losses: npt.ArrayLike) -> Verdict:
    """Whether a loss converged, is slow, oscillates or diverged, from nothing but its curve.

    losses  of each step, or of each epoch: smoother, and easier to judge

    Numbers between two neighbours differ by chance, from batch to batch, or because the steps are
    so large that they jump over the minimum: the swing is their standard deviation, over the later
    half, and no fall counts that is smaller than it. A loss that falls like exp(-r t) is flat when
    r times the number of steps is above 7. One that came down fast and now creeps on, by a few per
    cent of itself, is slow: it may have a long way to go. A loss that ends well above its lowest
    value diverged, however low that was. Where `verdict` has gradients, this has to guess: a loss
    that does not change at all counts as slow.
    Raises ValueError for less than 4 losses.
    """
    curve = np.asarray(losses, float)
    if curve.ndim != 1 or len(curve) < SHORTEST:
        raise ValueError(f"a curve has at least {SHORTEST} losses, not the shape {curve.shape}")
    if not np.all(np.isfinite(curve)):
        first = int(np.argmin(np.isfinite(curve)))
        return Verdict("diverged", f"loss number {first + 1} is {curve[first]}")
    unit = np.max(np.abs(curve)) or 1.0  # without it, squares of large numbers overflow
    curve = curve / unit
    n = len(curve)
    third, last = curve[n // 2 : n - n // 4], curve[n - n // 4 :]
    start, end, top = curve[0], np.mean(last), np.max(curve)
    swing = np.std(np.diff(curve[n // 2 :])) / 2**0.5
    least = max(2 * swing, ROUNDING * abs(start))
    fall, went = start - end, f"the loss went from {unit * start:.4g} to {unit * end:.4g}"
    if fall < -least or (fall <= 0 and top > BROKEN * abs(start)):
        return Verdict("diverged", f"{went}, with a top of {unit * top:.4g}")
    usual = np.median(np.abs(np.diff(curve)))  # unlike the swing, not larger for a sudden rise
    best, final = np.min(np.maximum(curve[1:], curve[:-1])), np.min(curve[-2:])
    if final - best > max(RISEN * usual, FLAT * (start - best), ROUNDING * abs(start)):
        fell = f"the loss fell from {unit * start:.4g} to {unit * best:.4g}"
        return Verdict("diverged", f"{fell} and rose to {unit * final:.4g} again")
    if fall <= least and swing > SWINGS * abs(start):
        return Verdict("oscillating", f"{went} and swings by {unit * swing:.2g}")
    if fall <= least:
        return Verdict("slow", f"{went}, {NO_FALL}")
    still = (np.mean(third) - end) / fall
    chance = swing * (2 / len(last)) ** 0.5 / fall
    if still > max(FLAT, chance):
        return Verdict("slow", f"{went} and still falls: {still:.0%} of it came at the end")
    eighth = max(1, n // 8)
    now = np.mean(curve[-eighth:])
    lost = np.mean(curve[-2 * eighth : -eighth]) - now
    by_chance = 2 * swing * (2 / eighth) ** 0.5
    if abs(now) > ARRIVED * abs(start) and lost > max(SETTLED * abs(now), by_chance):
        return Verdict("slow", f"{went} and still falls: by {lost / abs(now):.0%} of itself lately")
    return Verdict("converged", f"{went} and is flat")
