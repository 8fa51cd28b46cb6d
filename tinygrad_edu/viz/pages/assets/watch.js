const SIZE = {width: 640, height: 330, left: 62, right: 0, top: 12, bottom: 42};
const LEADING = 17;
const SHADES = ["#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#000000"];
const store = byId("data");

function number(x) {
  if (x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5)) return String(Number(x.toPrecision(3)));
  return x.toExponential(1).replace(/\.0e/, "e").replace("e+", "e");
}

/* A linear or a logarithmic scale from numbers to pixels. Ticks are 1, 2 or 5 times a power of ten. */
function scale(values, from, to, log) {
  let low = Math.min(...values), high = Math.max(...values);
  if (!(low < high)) [low, high] = log ? [low / 2, low * 2] : [low - 0.5, low + 0.5];
  const f = log ? Math.log10 : x => x;
  const span = f(high) - f(low);
  const place = x => from + (f(x) - f(low)) / span * (to - from);
  const ticks = [];
  if (log) {
    const steps = span < 2 ? [1, 2, 5] : [1];
    for (let power = Math.floor(f(low)); power <= f(high); power += Math.max(1, Math.floor(span / 6)))
      for (const k of steps) ticks.push(k * 10 ** power);
  } else {
    const raw = span / 5, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find(k => k * power >= raw) * power;
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(k * step);
  }
  return {place, ticks: ticks.filter(x => x >= low * (1 - 1e-9) && x <= high * (1 + 1e-9))};
}

/* Places for lines of text, as near as possible to those wanted, without overlap. */
function spread(wanted, low, high) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const places = wanted.slice();
  order.forEach((i, k) => {
    places[i] = Math.max(wanted[i], k ? places[order[k - 1]] + LEADING : low);
  });
  for (let k = order.length - 1, limit = high; k >= 0; k -= 1, limit = places[order[k + 1]] - LEADING)
    places[order[k]] = Math.min(places[order[k]], limit);
  return places;
}

function axes(picture, x, y, xlabel) {
  for (const tick of y.ticks) {
    const at = y.place(tick);
    svg("line", {class: "grid", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: at, y2: at}, picture);
    svg("text", {class: "tick", x: SIZE.left - 7, y: at + 4, "text-anchor": "end"}, picture, number(tick));
  }
  const end = SIZE.height - SIZE.bottom;
  for (const tick of x.ticks)
    svg("text", {class: "tick", x: x.place(tick), y: end + 18, "text-anchor": "middle"}, picture, number(tick));
  const middle = (SIZE.left + SIZE.width - SIZE.right) / 2;
  svg("text", {x: middle, y: SIZE.height - 6, "text-anchor": "middle"}, picture, xlabel);
}

/* Numbers come as the bytes of doubles in base64. */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return Array.from(new Float64Array(bytes.buffer));
}

function drawn(curve, log) {
  const y = unpacked(curve.y);
  return unpacked(curve.x).map((x, i) => [x, y[i]]).filter(([, y]) => Number.isFinite(y) && (!log || y > 0));
}

function panel(data) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = data.title;
  figure.append(caption);
  make_room(data.curves.map(curve => curve.name));
  const curves = data.curves.map(curve => drawn(curve, data.log));
  const points = curves.flat();
  const ends_at = curves.map((curve, i) => curve.length ? `${data.curves[i].name} ${number(curve.at(-1)[1])}` : "");
  const last = ends_at.filter(text => text).join(", ");
  const picture = svg("svg", {viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img",
    "aria-label": `${data.title} by ${data.xlabel}; last: ${last}`}, figure);
  if (!points.length) {
    svg("text", {x: SIZE.left, y: 40}, picture, "no numbers yet");
    return figure;
  }
  const bottom = SIZE.height - SIZE.bottom, right = SIZE.width - SIZE.right;
  const x = scale(points.map(p => p[0]), SIZE.left, right, false);
  const y = scale(points.map(p => p[1]), bottom, SIZE.top, data.log);
  axes(picture, x, y, data.xlabel);
  const ends = [];
  curves.forEach((curve, k) => {
    if (!curve.length) return;
    const path = curve.map(([a, b]) => `${x.place(a).toFixed(1)},${y.place(b).toFixed(1)}`);
    svg("polyline", {class: `curve s${k % 7} d${k % 7}`, points: path.join(" ")}, picture);
    const [a, b] = curve[curve.length - 1];
    ends.push({k, x: x.place(a), y: y.place(b), name: data.curves[k].name});
  });
  const places = spread(ends.map(end => end.y), SIZE.top, bottom);
  ends.forEach((end, i) => {
    svg("line", {class: `lead s${end.k % 7}`, x1: end.x + 3, y1: end.y, x2: right + 12, y2: places[i]}, picture);
    svg("text", {class: `t${end.k % 7}`, x: right + 16, y: places[i] + 4}, picture, end.name);
  });
  return figure;
}

/* An image with one pixel for each answer of the model; its rows come from the bottom up. */
function cells(plane) {
  const found = unpacked(plane.cells), n = Math.sqrt(found.length), canvas = document.createElement("canvas");
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d"), image = context.createImageData(n, n);
  const rgb = SHADES.map(shade => [1, 3, 5].map(i => parseInt(shade.slice(i, i + 2), 16)));
  const limit = Math.max(...found.map(x => Math.abs(x - plane.level))) || 1;
  found.forEach((cell, place) => {
    const score = (cell - plane.level) / limit;
    const color = plane.kind === "classes" ? rgb[cell % 7] : rgb[score > 0 ? 1 : 0];
    const share = plane.kind === "classes" ? 0.4 : 0.75 * Math.abs(score);
    const at = 4 * ((n - 1 - Math.floor(place / n)) * n + place % n);
    color.forEach((part, c) => { image.data[at + c] = 255 + share * (part - 255); });
    image.data[at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

const MARKS = [
  (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`,
  (x, y) => `M${x - 3.5} ${y - 3.5}h7v7h-7z`,
  (x, y) => `M${x} ${y - 4.5}l4.5 8h-9z`,
  (x, y) => `M${x} ${y - 5}l4 5l-4 5l-4 -5z`,
];

function plane(data) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = `prediction${data.kind === "score" ? `; white is a score of ${data.level}` : ""}`;
  figure.append(caption);
  const names = data.names.map(name => `class ${name}`);
  make_room(names);
  const picture = svg("svg", {viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img",
    "aria-label": `The prediction of the model at each place, and points of ${names.join(", ")}`}, figure);
  const [left, right, bottom, top] = data.bounds, end = SIZE.height - SIZE.bottom;
  const x = scale([left, right], SIZE.left, SIZE.width - SIZE.right, false);
  const y = scale([bottom, top], end, SIZE.top, false);
  const box = {x: SIZE.left, y: SIZE.top, width: SIZE.width - SIZE.right - SIZE.left, height: end - SIZE.top};
  svg("image", {...box, href: cells(data), preserveAspectRatio: "none", "image-rendering": "pixelated"}, picture);
  axes(picture, x, y, "first input");
  svg("text", {transform: `translate(16 ${(SIZE.top + end) / 2}) rotate(-90)`, "text-anchor": "middle"}, picture, "second input");
  const points = unpacked(data.x);
  unpacked(data.y).forEach((k, i) => {
    const at = [x.place(points[2 * i]), y.place(points[2 * i + 1])];
    svg("path", {class: "dot", fill: SHADES[k % 7], d: MARKS[k % 4](...at)}, picture);
  });
  names.forEach((name, k) => {
    const at = [SIZE.width - SIZE.right + 18, SIZE.top + 10 + 22 * k];
    svg("path", {class: "dot", fill: SHADES[k % 7], d: MARKS[k % 4](...at)}, picture);
    svg("text", {x: at[0] + 12, y: at[1] + 5}, picture, name);
  });
  return figure;
}

/* One unit of a drawing is one pixel, so that letters have the same size on a phone. */
function fit() {
  const room = byId("panels").clientWidth - 36;
  const column = room >= 2 * 520 + 18 ? (room - 18) / 2 : room;
  SIZE.width = Math.round(Math.max(330, Math.min(640, column)));
}

/* Room for the longest name beside the drawing; a letter is about 7 pixels wide. */
function make_room(names) {
  const longest = Math.max(0, ...names.map(name => name.length));
  SIZE.right = Math.round(Math.min(30 + 7.2 * longest, 0.5 * SIZE.width));
}

let note = "";

/* Draws the numbers that the page holds: a saved page shows them without a server. */
function show() {
  if (document.hidden) return;
  const data = JSON.parse(store.textContent);
  fit();
  byId("status").textContent = note ? `${data.status} (${note})` : data.status;
  const figures = data.panels.map(panel);
  if (data.plane) figures.push(plane(data.plane));
  byId("panels").replaceChildren(...figures);
}

/* The training sends its numbers when they change; a broken connection is tried again. */
function listen() {
  const source = new EventSource("numbers");
  let failures = 0;
  source.addEventListener("message", event => {
    store.textContent = event.data.replaceAll("<", "\\u003c");
    [note, failures] = ["", 0];
    show();
    if (JSON.parse(event.data).last) source.close();
  });
  source.addEventListener("error", () => {
    [note, failures] = ["no connection: these are the last numbers", failures + 1];
    show();
    if (failures > 5) source.close();
  });
}

show();
addEventListener("resize", show);
document.addEventListener("visibilitychange", show);
if (location.protocol.startsWith("http")) listen();
