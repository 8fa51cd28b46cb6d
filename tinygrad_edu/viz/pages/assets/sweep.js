// The runs of a sweep on parallel axes. Two handles on each axis choose a range of it.

const { axes, failures, seeds, verdicts, mode } = JSON.parse(byId("data").textContent);
const RAMP = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const MANY = 300; // with more lines than this, each line is thin
const SHOWN = 10; // runs in the table
const STEP = 0.02; // an arrow key moves a handle by this share of the axis; a page key by five times as much
const SIDE = [86, 40];
const EDGE = [44, 18];
const LETTERS = 12;
const result = axes.at(-1);
const count = seeds.length;
const anyFailed = result.values.includes(null);
const plot = byId("plot");
const canvas = byId("lines");
const picture = svg("svg", { id: "axes", "aria-hidden": "true" }, plot);

function place(axis, x) {
  if (x === null) return failures;
  const t = axis.log ? Math.log(x / axis.low) / Math.log(axis.high / axis.low) : (x - axis.low) / (axis.high - axis.low);
  return Math.min(1, Math.max(0, t)); // rounded numbers may lie just outside
}

function valueAt(axis, t) {
  return axis.log ? axis.low * (axis.high / axis.low) ** t : axis.low + t * (axis.high - axis.low);
}

const places = axes.map((axis) => Float64Array.from(axis.values, (x) => place(axis, x)));
const ranges = axes.map(() => [0, 1]);
const runs = Array.from({ length: count }, (_, i) => i);
// The worst first, so that the best are drawn over them.
const goodness = (i) => (result.values[i] === null ? -1 : mode === "min" ? 1 - places.at(-1)[i] : places.at(-1)[i]);
const order = runs.toSorted((a, b) => goodness(a) - goodness(b));
let bold = null;

function isChosen(i) {
  return ranges.every(([low, high], k) => places[k][i] >= low && places[k][i] <= high);
}

function written(axis, x) {
  if (x === null) return "failed";
  if (axis.choices) return axis.choices[x];
  return Number.isInteger(x) && Math.abs(x) < 1e9 ? String(x) : String(Number(x.toPrecision(4)));
}

// Where things are, in pixels

function size() {
  const { width, height } = plot.getBoundingClientRect();
  const span = width - SIDE[0] - SIDE[1];
  return {
    width,
    height,
    x: (k) => SIDE[0] + (axes.length > 1 ? (k * span) / (axes.length - 1) : span / 2),
    y: (t) => height - EDGE[1] - t * (height - EDGE[0] - EDGE[1]),
  };
}

// Drawing

function draw() {
  const room = size();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(room.width * ratio);
  canvas.height = Math.round(room.height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const { color: pale, borderTopColor: faint, backgroundColor: ground } = getComputedStyle(canvas);
  const isDark = document.documentElement.style.colorScheme
    ? document.documentElement.style.colorScheme === "dark"
    : dark.matches;
  const stroke = (lines, color, width, alpha, dash = []) => {
    if (!lines.length) return;
    const path = new Path2D();
    for (const i of lines) {
      path.moveTo(room.x(0), room.y(places[0][i]));
      for (let k = 1; k < axes.length; k += 1) path.lineTo(room.x(k), room.y(places[k][i]));
    }
    [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [color, width, alpha];
    pen.setLineDash(dash);
    pen.stroke(path);
  };
  const chosen = order.filter(isChosen);
  const isThin = chosen.length > MANY;
  const others = new Set(chosen);
  const width = isThin ? 0.7 : 1.6;
  const alpha = isThin ? 0.6 : 0.95;
  stroke(order.filter((i) => !others.has(i)), faint, 0.7, 1);
  stroke(chosen.filter((i) => goodness(i) < 0), pale, width, alpha, [4, 4]);
  const bins = RAMP.map(() => []);
  for (const i of chosen) {
    if (goodness(i) >= 0) bins[binOf(i)].push(i);
  }
  bins.forEach((lines, k) => stroke(lines, colorOf(k, isDark), width, alpha));
  if (bold !== null) {
    const failed = goodness(bold) < 0;
    stroke([bold], ground, 8, 1);
    stroke([bold], failed ? pale : colorOf(binOf(bold), isDark), 5, 1, failed ? [8, 5] : []);
  }
  drawAxes(room);
}

function binOf(i) {
  return Math.min(RAMP.length - 1, Math.floor(goodness(i) * RAMP.length));
}

// The best runs stand out: they are dark on white, and bright on black.
function colorOf(k, isDark) {
  return RAMP[isDark ? k : RAMP.length - 1 - k];
}

function drawAxes(room) {
  picture.replaceChildren();
  axes.forEach((axis, k) => {
    const x = room.x(k);
    svg("line", { class: "axis", x1: x, x2: x, y1: room.y(0), y2: room.y(1) }, picture);
    const [low, high] = ranges[k];
    if (low > 0 || high < 1) svg("line", { class: "range", x1: x, x2: x, y1: room.y(low), y2: room.y(high) }, picture);
    svg("text", { class: "name", x, y: 16, "text-anchor": "middle" }, picture, short(axis.name, 14));
    for (const [t, text] of axis.ticks) {
      const y = room.y(t);
      svg("line", { class: "axis", x1: x - 5, x2: x, y1: y, y2: y }, picture);
      svg("text", { class: "tick", x: x - 16, y: y + 4, "text-anchor": "end" }, picture, short(text, LETTERS));
    }
    const rail = rails[k].style;
    [rail.left, rail.top, rail.height] = [`${x}px`, `${room.y(1)}px`, `${room.y(0) - room.y(1)}px`];
    handles[k].forEach((handle, end) => {
      [handle.style.left, handle.style.top] = [`${x}px`, `${room.y(ranges[k][end])}px`];
      handle.classList.toggle("whole", ranges[k][end] === end);
    });
  });
}

// The table of the best

function tell() {
  const chosen = order.filter(isChosen).reverse();
  const failed = chosen.filter((i) => goodness(i) < 0).length;
  const all = `${count.toLocaleString("en")} runs`;
  const some = chosen.length === count ? all : `${chosen.length.toLocaleString("en")} of ${all}`;
  const first = chosen[0];
  const best = chosen.length > failed ? `; the best ${result.name} is ${written(result, result.values[first])}` : "";
  byId("status").textContent = `${some}${failed ? `, ${failed.toLocaleString("en")} of them failed` : ""}${best}`;
  const listed = chosen.slice(0, SHOWN);
  if (!listed.includes(bold)) bold = listed[0] ?? null;
  const table = document.createElement("table");
  const head = element("tr", {}, table);
  for (const name of ["rank", ...axes.map((axis) => axis.name), "seed", "verdict"]) element("th", { scope: "col" }, head, name);
  listed.forEach((i, rank) => {
    const row = element("tr", {}, table);
    const name = `Show run ${rank + 1} in the picture`;
    const button = element("button", { type: "button", "aria-label": name, "aria-pressed": i === bold }, element("td", {}, row), String(rank + 1));
    button.addEventListener("click", () => mark(i, table, button));
    for (const axis of axes) element("td", {}, row, written(axis, axis.values[i]));
    element("td", {}, row, String(seeds[i]));
    element("td", {}, row, verdicts[i]);
  });
  byId("best").replaceChildren(...(listed.length ? [table] : []));
}

function mark(i, table, button) {
  bold = i;
  for (const each of table.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each === button));
  draw();
}

// Choosing

let isDue = false;
function show() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    tell();
    draw();
  });
}

function setEnd(k, end, t) {
  const [low, high] = ranges[k];
  ranges[k][end] = end ? Math.min(1, Math.max(low, t)) : Math.max(0, Math.min(high, t));
  sayRange(k);
  show();
}

function sayRange(k) {
  handles[k].forEach((handle, end) => {
    handle.setAttribute("aria-valuenow", String(Math.round(100 * ranges[k][end])));
    handle.setAttribute("aria-valuetext", textAt(k, ranges[k][end]));
  });
}

// The value at a place, as text
function textAt(k, t) {
  const axis = axes[k];
  if (axis === result && t === failures && anyFailed) return "failed";
  if (!axis.choices) return String(Number(valueAt(axis, t).toPrecision(3)));
  return axis.choices[Math.min(axis.choices.length - 1, Math.max(0, Math.round(valueAt(axis, t))))];
}

function placeOf(event) {
  const room = size();
  const y = event.clientY - plot.getBoundingClientRect().top;
  return Math.min(1, Math.max(0, (room.y(0) - y) / (room.y(0) - room.y(1))));
}

// Dragging on the axis itself chooses a new range. "lostpointercapture" also comes if the browser
// breaks off the drag.
const rails = axes.map((_, k) => {
  const rail = element("div", { class: "rail" }, plot);
  let start = null;
  rail.addEventListener("pointerdown", (event) => {
    start = placeOf(event);
    rail.setPointerCapture(event.pointerId);
  });
  rail.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = placeOf(event);
    if (Math.abs(now - start) < 0.01) return;
    ranges[k] = [Math.min(start, now), Math.max(start, now)];
    sayRange(k);
    show();
  });
  rail.addEventListener("lostpointercapture", () => { start = null; });
  rail.addEventListener("dblclick", () => {
    ranges[k] = [0, 1];
    sayRange(k);
    show();
  });
  return rail;
});

const handles = axes.map((axis, k) => ["low", "high"].map((name, end) => {
  const label = `${axis.name} ${end ? "to" : "from"}`;
  const handle = element("div", {
    class: `handle ${name}`, role: "slider", tabindex: "0", "aria-label": label, "aria-orientation": "vertical",
    "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(100 * end),
  }, plot);
  let isHeld = false;
  handle.addEventListener("pointerdown", (event) => {
    isHeld = true;
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => { if (isHeld) setEnd(k, end, placeOf(event)); });
  handle.addEventListener("lostpointercapture", () => { isHeld = false; });
  handle.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
    const ends = { Home: 0, End: 1 };
    if (event.key in steps) setEnd(k, end, ranges[k][end] + STEP * steps[event.key]);
    else if (event.key in ends) setEnd(k, end, ends[event.key]);
    else return;
    event.preventDefault();
  });
  return handle;
}));
axes.forEach((_, k) => sayRange(k));

byId("reset").addEventListener("click", () => {
  axes.forEach((_, k) => {
    ranges[k] = [0, 1];
    sayRange(k);
  });
  show();
});

plot.style.minWidth = `${SIDE[0] + SIDE[1] + 96 * (axes.length - 1)}px`;
new MutationObserver(show).observe(document.documentElement, { attributes: true, attributeFilter: ["style"] });
dark.addEventListener("change", show);
new ResizeObserver(show).observe(plot);
show();
