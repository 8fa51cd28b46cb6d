// Shared by the interactive pages: numbers, dials, plots.
const workbench = (() => {
  const LARGEST = 5e307; // three times as much is still finite

  // As "%.4g" in Python, with a true minus sign.
  function number(x, digits = 4) {
    if (Number.isNaN(x)) return "nan";
    if (Math.abs(x) === Infinity) return x < 0 ? "−inf" : "inf";
    if (x === 0) return "0";
    x = halfToEven(x, digits);
    const [mantissa, exponent] = x.toExponential(digits - 1).split("e").map(Number);
    const isPlain = exponent >= -4 && exponent < digits;
    const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
    const text = isPlain ? plain(Number(x.toPrecision(digits))) : `${mantissa}e${power}`;
    return text.replaceAll("-", "−");
  }

  // JavaScript rounds a half away from 0, Python to the even digit. Making x a little smaller before
  // rounding gives Python's digit.
  function halfToEven(x, digits) {
    const exact = x.toExponential(40).replace("-", "").split("e")[0].replace(".", "");
    const isHalf = /^50*$/.test(exact.slice(digits));
    return isHalf && Number(exact[digits - 1]) % 2 === 0 ? x * (1 - 1e-15) : x;
  }

  function plain(x) {
    return Math.abs(x) < 1e-6 ? x.toFixed(12).replace(/0+$/, "") : String(x);
  }

  // The smallest of 1, 2, 5, 10, 20, ... that is not below x.
  function roundUp(x) {
    const power = 10 ** Math.floor(Math.log10(x));
    return [1, 2, 5, 10].map((k) => k * power).find((y) => y >= x * (1 - 1e-12));
  }

  // Round numbers between low and high, about `count` of them.
  function ticks(low, high, count) {
    const step = roundUp((high - low) / count);
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  }

  // A name, a field for the exact number, and a slider. `scale` maps numbers to places in [0, 1].
  // onInput takes a number and may return the one that it used instead.
  function dial({ id, name, value, scale, round, onInput, onHold }, parent) {
    const around = element("div", { class: "dial", id }, parent);
    const label = element("label", { class: "name", for: `${id}-number`, title: name }, around, name);
    const field = element("input", { id: `${id}-number`, type: "number", step: "any" }, around);
    const track = element("div", { class: "track" }, around);
    const slider = element("input", { id: `${id}-slider`, type: "range", min: 0, max: 1000, step: 1, "aria-label": name }, track);
    const made = { element: around, label, field, slider, track, value, show, take };

    function show() {
      slider.value = String(Math.round(1000 * Math.max(0, Math.min(1, scale.place(made.value)))));
      slider.setAttribute("aria-valuetext", number(made.value, 6));
      if (field.getRootNode().activeElement !== field || Number(field.value) !== made.value) field.value = String(made.value);
    }

    function take(x) {
      made.value = x;
      show();
      made.value = onInput(x) ?? x;
    }

    slider.addEventListener("input", () => take(round(scale.at(Number(slider.value) / 1000))));
    field.addEventListener("input", () => {
      if (field.value !== "" && Number.isFinite(Number(field.value))) {
        take(Number(field.value));
      }
    });
    field.addEventListener("change", show); // replaces a text that is not a number
    for (const part of [slider, field]) part.addEventListener("focus", () => onHold?.());
    slider.addEventListener("pointerdown", () => onHold?.());
    show();
    return made;
  }

  // Scrolls an element that gets the focus below a picture that stays at the top.
  function keepClearOf(stage) {
    const { style } = document.documentElement;
    const isOver = () => getComputedStyle(stage).position === "sticky";
    const make = () => { style.scrollPaddingTop = isOver() ? `${stage.offsetHeight + 8}px` : ""; };
    new ResizeObserver(make).observe(stage);
  }

  function linear(low, high) {
    return { low, high, place: (x) => (x - low) / (high - low), at: (t) => low + t * (high - low) };
  }

  function logarithmic(low, high) {
    const span = Math.log(high / low);
    return { low, high, place: (x) => (x > 0 ? Math.log(x / low) / span : 0), at: (t) => low * Math.exp(t * span) };
  }

  // The numbers as texts, with as many digits as tell them apart, at most twelve.
  function labels(numbers) {
    const written = (digits) => numbers.map((x) => number(x, digits));
    const isClear = (texts) => new Set(texts).size === texts.length;
    return [3, 4, 5, 6, 7, 8, 9, 10, 11].map(written).find(isClear) ?? written(12);
  }

  // Axes with round numbers; returns the functions from numbers to pixels.
  function axes(plot, size, xs, ys, names) {
    const [width, height] = size;
    const [rows, columns] = [ys.ticks ?? ticks(ys.low, ys.high, 5), xs.ticks ?? ticks(xs.low, xs.high, 6)];
    const [beside, below] = [rows, columns].map(labels);
    const left = Math.max(58, 8 * Math.max(0, ...beside.map((text) => text.length)) + 8);
    const [right, top, bottom] = [14, 28, 38];
    const x = (t) => left + xs.place(t) * (width - left - right);
    const y = (t) => height - bottom - ys.place(t) * (height - top - bottom);
    rows.forEach((t, i) => {
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(t), y2: y(t) }, plot);
      svg("text", { class: "tick", x: left - 7, y: y(t) + 4, "text-anchor": "end" }, plot, beside[i]);
    });
    columns.forEach((t, i) => {
      svg("line", { class: "axis", x1: x(t), x2: x(t), y1: height - bottom, y2: height - bottom + 5 }, plot);
      svg("text", { class: "tick", x: x(t), y: height - bottom + 18, "text-anchor": "middle" }, plot, below[i]);
    });
    svg("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }, plot);
    svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, plot, names[0]);
    svg("text", { x: 4, y: 14 }, plot, names[1]);
    const clip = svg("clipPath", { id: `${plot.id}-inside` }, plot);
    svg("rect", { x: left - 4, y: top - 4, width: width - left - right + 8, height: height - top - bottom + 4 }, clip);
    const inside = svg("g", { "clip-path": `url(#${plot.id}-inside)` }, plot);
    return { x, y, left, right: width - right, top, bottom: height - bottom, inside };
  }

  // The range of the numbers, without a few outliers that would make all others look the same.
  function rangeOf(numbers) {
    const sorted = numbers.filter((x) => Math.abs(x) <= LARGEST).sort((a, b) => a - b);
    if (!sorted.length) return [-1, 1];
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    let [low, high] = [sorted[0], at(1)];
    if (high - low > 6 * (at(0.9) - at(0.1))) [low, high] = [at(0.1), at(0.9)];
    const margin = 0.08 * (high - low) || Math.max(1e-9, 0.5 * Math.abs(low)) || 1;
    return [low - margin, high + margin];
  }

  function polyline(points) {
    let path = "";
    let pen = "M";
    for (const [x, y] of points) {
      const isThere = Number.isFinite(y) && Number.isFinite(x);
      if (isThere) path += pen + [x, y].map(near).join(",");
      pen = isThere ? "L" : "M";
    }
    return path;
  }

  // Browsers do not draw points that are very far outside: bring them nearer.
  function near(x) {
    return Math.max(-1e5, Math.min(1e5, x)).toFixed(1);
  }

  return { LARGEST, number, roundUp, ticks, dial, keepClearOf, linear, logarithmic, axes, rangeOf, polyline };
})();
