"""Did a training converge? A verdict from the curve of its loss alone."""

import numpy as np
import numpy.typing as npt

from tinygrad_edu.lab.descent import Verdict

# A curve is flat if its last quarter lies below the quarter before by less than this share of the
# whole fall,
FLAT = 0.02
# and its last eighth below the eighth before by less than this share of its own value,
SETTLED = 0.025
# where the second condition does not count below this share of the first loss.
ARRIVED = 1e-3
# A loss that does not fall oscillates if its swing is more than this share of the first loss,
SWINGS = 0.1
# and diverged if it was once this many times as high as the first loss.
BROKEN = 4.0
# It has risen again if its end is this many usual changes above its lowest value; chance alone does
# not make that many. End and lowest value are taken from two losses in a row, since one alone may
# be a spike.
RISEN = 6
ROUNDING = 1e-9  # a change below this share of the first loss is a rounding error
SHORTEST = 4  # losses in a curve that can be judged
NO_FALL = "which is no real fall"


def curve_verdict(losses: npt.ArrayLike) -> Verdict:
    """Did a loss converge, is it slow, does it oscillate, did it diverge? From its curve alone.

    losses  (n,) the loss of each step, or of each epoch, which is smoother and easier to judge

    Neighbouring losses differ by chance from batch to batch, or because large steps jump over the
    minimum. The swing measures this: the standard deviation of their differences, divided by √2,
    in the later half of the curve. A fall of less than twice the swing does not count.

    converged    the loss fell and is flat at the end. exp(-r t) is flat if r n is above 7
    slow         it still falls, even by a few percent of itself, or it has never fallen
    oscillating  it did not fall, and its swing is large
    diverged     it is not finite somewhere, it ends above its start by more than twice the swing or
                 far above its lowest value, or it was once 4 times as high as its start and does
                 not end below its start

    `verdict` also uses gradients, and is safer. Here a constant loss counts as slow, even at a
    minimum.
    Raises ValueError for fewer than 4 losses.
    """
    curve = np.asarray(losses, float)
    if curve.ndim != 1 or len(curve) < SHORTEST:
        raise ValueError(f"a curve needs at least {SHORTEST} losses; this has shape {curve.shape}")
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
