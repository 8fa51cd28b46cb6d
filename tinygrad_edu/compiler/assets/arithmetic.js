// The arithmetic of Python and of NumPy on floats, where JavaScript's operators differ.
const { ofPython, ofNumPy } = (() => {
  class Stop extends Error {} // where Python raises an error

  function stop(error, what) {
    throw new Stop(`${error}: ${what}`);
  }

  // A branch of the recorded function goes another way than in the recording.
  class OtherBranch extends Error {
    constructor(guard) {
      super("the function takes another branch");
      this.guard = guard;
    }
  }

  function ask(guard, answer) {
    if (!answer) throw new OtherBranch(guard);
  }

  // x ** y as in C. Squares and roots are rounded correctly; Math.pow may not be.
  function raised(x, y) {
    if (y === 1) return x;
    if (y === 2) return x * x;
    if (y === 0.5 && x > 0) return Math.sqrt(x);
    if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1; // here Math.pow gives NaN
    return Math.pow(x, y);
  }

  // x - y floor(x / y), with the sign of y; JavaScript's % has the sign of x.
  function modulo(x, y) {
    const rest = x % y;
    if (rest === 0) return y < 0 ? -0 : 0;
    return (y < 0) !== (rest < 0) ? rest + y : rest;
  }

  function floored(x, y) {
    const rest = x % y;
    let ratio = (x - rest) / y;
    if (rest !== 0 && (y < 0) !== (rest < 0)) ratio -= 1;
    const below = Math.floor(ratio);
    return ratio - below > 0.5 ? below + 1 : below;
  }

  function relu(x) {
    return x > 0 ? x : 0;
  }

  function sigmoid(x) {
    const small = Math.exp(-Math.abs(x));
    return (x >= 0 ? 1 : small) / (1 + small);
  }

  // Python's sum(), which since 3.12 corrects the rounding of each addition (Neumaier 1974).
  function sum(numbers, start) {
    let total = start;
    let lost = 0;
    for (const x of numbers) {
      const next = total + x;
      lost += Math.abs(total) >= Math.abs(x) ? total - next + x : x - next + total;
      total = next;
    }
    return lost !== 0 && Number.isFinite(lost) ? total + lost : total;
  }

  // NumPy returns nan and infinities.
  const ofNumPy = {
    ask, relu, sigmoid, sum,
    divide: (x, y) => x / y,
    power: raised,
    remainder: modulo,
    floorDivide: floored,
    exp: Math.exp, log: Math.log, sqrt: Math.sqrt, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
  };

  // Python's operators on floats raise errors, and so do the functions of `math`.
  const ofPython = {
    ...ofNumPy,
    divide: (x, y) => (y === 0 ? stop("ZeroDivisionError", `${x} / 0`) : x / y),
    power: (x, y) => {
      if (x === 0 && y < 0 && y !== -Infinity) stop("ZeroDivisionError", `0 ** ${y}`);
      if (x < 0 && Number.isFinite(x) && Number.isFinite(y) && y !== Math.floor(y)) {
        const isTooLarge = raised(-x, y) === Infinity; // Python overflows first
        stop(isTooLarge ? "OverflowError" : "TypeError", `${x} ** ${y} is a complex number`);
      }
      const out = raised(x, y);
      const isTooLarge = Math.abs(out) === Infinity && Number.isFinite(x) && Number.isFinite(y);
      return isTooLarge ? stop("OverflowError", `${x} ** ${y} is too large for a float`) : out;
    },
    remainder: (x, y) => (y === 0 ? stop("ZeroDivisionError", `${x} % 0`) : modulo(x, y)),
    floorDivide: (x, y) => (y === 0 ? stop("ZeroDivisionError", `${x} // 0`) : floored(x, y)),
    exp: (x) => {
      const out = Math.exp(x);
      return out === Infinity && x < Infinity ? stop("OverflowError", `exp(${x}) is too large for a float`) : out;
    },
    log: (x) => (x <= 0 ? stop("ValueError", `log(${x}) is not defined`) : Math.log(x)),
    sqrt: (x) => (x < 0 ? stop("ValueError", `sqrt(${x}) is not a real number`) : Math.sqrt(x)),
    sin: (x) => (Math.abs(x) === Infinity ? stop("ValueError", `sin(${x}) is not defined`) : Math.sin(x)),
    cos: (x) => (Math.abs(x) === Infinity ? stop("ValueError", `cos(${x}) is not defined`) : Math.cos(x)),
  };
  return { ofPython, ofNumPy };
})();
