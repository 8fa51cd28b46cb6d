"use strict";
// Plays the data of one graph. Text from the data goes through textContent, never through innerHTML.
(() => {
  const data = JSON.parse(byId("data").textContent);
  const box = data.box; // the places in the box of a node
  const isFilm = data.kind === "film";
  const stops = isFilm ? data.frames : data.steps;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const SVG = "http://www.w3.org/2000/svg";
  const MATHML = "http://www.w3.org/1998/Math/MathML";
  const FEW = 16; // a table of no more cells is shown in numbers
  const PAUSE = isFilm ? 200 : 1600; // milliseconds from stop to stop
  const [MINUS, PLUS] = ["--minus", "--plus"].map(colourOf);
  const STRANGE = [150, 60, 170]; // of what is not finite
  const canvas = document.createElement("canvas");

  const uses = data.nodes.map(() => []); // for each node, the edges that bring gradient to it
  data.edges.forEach((edge, k) => {
    if (edge.contribution !== null) uses[edge.source].push(k);
  });
  const times = isFilm ? null : timesOf(data.steps);
  if (!isFilm) uses.forEach((edges) => edges.sort((a, b) => times.arrival[a] - times.arrival[b]));
  const peaks = data.nodes.map(peaksOf);
  const losses = isFilm ? lossesOf(data.frames) : [];
  const views = { nodes: [], edges: [], flows: [], shown: [] };
  const stage = byId("stage");
  let current = -1; // the stop on show
  let timer = null; // while it plays
  let zoom = 1;
  let detailed = null; // the node whose details are on show

  // What is known when

  // The step that computes a node, that starts the backward pass there, that an edge's gradient takes.
  function timesOf(steps) {
    const [birth, seed] = [data.nodes.map(() => 0), data.nodes.map(() => Infinity)];
    const arrival = data.edges.map(() => Infinity);
    steps.forEach((step, i) => {
      if (step.phase === "forward") birth[step.node] = i;
      if (step.phase === "seed") seed[step.node] = i;
      if (step.phase === "backward") step.edges.forEach((k) => { arrival[k] = i; });
    });
    return { birth, seed, arrival };
  }

  // What a node shows at a stop: its value and gradient, their tables, how much gradient has arrived.
  function stateOf(node, stop) {
    if (isFilm) return frameOf(node, data.frames[stop]);
    const edges = uses[node.id];
    const arrived = edges.filter((k) => times.arrival[k] <= stop).length;
    const isKnown = times.birth[node.id] <= stop;
    const state = {
      value: isKnown ? node.value : null, values: isKnown ? node.values : null,
      gradient: null, gradients: null, arrived, of: edges.length,
    };
    if (times.seed[node.id] <= stop || (arrived > 0 && arrived === edges.length)) {
      state.gradient = node.gradient;
      state.gradients = node.gradients;
    } else if (arrived > 0) {
      const step = data.steps[times.arrival[edges[arrived - 1]]];
      state.gradient = soFar(step, node);
      state.gradients = step.totals;
    }
    return state;
  }

  function soFar(step, node) {
    if (step.total === null) return "part of it";
    return node.values ? `norm ${number(step.total)}` : step.total;
  }

  function frameOf(node, frame) {
    const table = (rows, like) => (rows ? { rows, exact: like?.exact ?? true } : null);
    return {
      value: frame.value[node.id], values: table(frame.values[node.id], node.values),
      gradient: frame.gradient[node.id], gradients: table(frame.gradients[node.id], node.gradients),
      arrived: 0, of: 0,
    };
  }

  // The largest sizes that a node shows at any stop: the ends of its colour scales.
  function peaksOf(node) {
    const states = isFilm ? data.frames.map((frame) => frameOf(node, frame)) : [node];
    const partial = isFilm ? [] : uses[node.id].map((k) => data.edges[k].contributions);
    const gradients = [...states.map((state) => state.gradients), ...partial];
    return { values: largest(states.map((state) => state.values)), gradients: largest(gradients) };
  }

  function largest(tables) {
    let top = 0;
    for (const table of tables) {
      for (const x of table ? table.rows.flat() : []) {
        if (Number.isFinite(x)) top = Math.max(top, Math.abs(x));
      }
    }
    return top;
  }

  function lossesOf(frames) {
    const root = data.nodes.find((node) => node.role === "root");
    return frames.map((frame) => Number(frame.value[root.id]));
  }

  // Numbers and text

  // Four significant digits, as "%.4g" in Python.
  function number(x) {
    if (typeof x === "string") return x;
    if (x === 0) return "0";
    const [mantissa, exponent] = x.toExponential(3).split("e").map(Number);
    if (exponent >= -4 && exponent < 4) return String(Number(x.toPrecision(4)));
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }

  function short(text, length) {
    const letters = Array.from(text);
    return letters.length <= length ? text : `${letters.slice(0, length - 1).join("")}…`;
  }

  function kindOf(node) {
    return node.operation || node.role;
  }

  function textOf(stop) {
    if (!isFilm) return data.steps[stop].text;
    const loss = Number.isFinite(losses[stop]) ? `, loss ${number(losses[stop])}` : "";
    return `frame ${stop + 1} of ${stops.length}${loss}`;
  }

  function colourOf(name) {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  }

  // Making elements

  function byId(id) {
    return document.getElementById(id);
  }

  function svg(tag, attributes, parent, text) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    parent?.append(element);
    return element;
  }

  function html(tag, className, parent, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    parent?.append(element);
    return element;
  }

  // MathML from formula.py, which escapes names. Parsed in a document of its own, and only MathML of
  // it is taken over, so that nothing else could come in.
  function math(inside, className, parent) {
    const source = `<math displaystyle="true">${inside}</math>`;
    const parsed = new DOMParser().parseFromString(source, "text/html").querySelector("math");
    for (const element of parsed.querySelectorAll("*")) {
      if (element.namespaceURI !== MATHML) element.remove();
    }
    const cell = html("div", className, parent);
    cell.append(document.importNode(parsed, true));
  }

  // Drawing the graph

  function drawGraph() {
    const [width, height] = data.size;
    const picture = svg("svg", { id: "graph", viewBox: `0 0 ${width} ${height}` }, stage);
    data.groups.forEach((group) => drawGroup(group, picture));
    views.edges = data.edges.map((edge, k) => drawEdge(edge, k, picture));
    views.nodes = data.nodes.map((node) => drawNode(node, picture));
    views.flows = data.edges.map((edge, k) => drawFlow(edge, k, picture));
    views.picture = picture;
  }

  function drawGroup(group, parent) {
    if (!group.box) return;
    const [x, y, width, height] = group.box;
    const g = svg("g", { class: "group" }, parent);
    svg("rect", { x, y, width, height, rx: 10 }, g);
    const name = group.path ? `${group.path}: ${group.kind}` : group.kind;
    svg("text", { x: x + 9, y: y + 15 }, g, short(name, Math.max(8, width / 8)));
  }

  function drawEdge(edge, k, parent) {
    const g = svg("g", { id: `edge-${k}`, class: "edge" }, parent);
    const path = svg("path", { d: edge.path }, g);
    const length = path.getTotalLength();
    drawTip("forth", path.getPointAtLength(length - 4), path.getPointAtLength(length), g);
    drawTip("home", path.getPointAtLength(4), path.getPointAtLength(0), g);
    return g;
  }

  function drawTip(way, from, to, parent) {
    const angle = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
    const transform = `translate(${to.x} ${to.y}) rotate(${angle})`;
    svg("polygon", { class: `tip ${way}`, points: "0,0 -9,-4.5 -9,4.5", transform }, parent);
  }

  function drawFlow({ label: [x, y] }, k, parent) {
    return svg("text", { id: `flow-${k}`, class: "flow", "aria-hidden": true, x, y: y + 4 }, parent);
  }

  function drawNode(node, parent) {
    const { x, y, w, h, id, role } = node;
    const [left, top] = [x - w / 2, y - h / 2];
    const g = svg("g", { id: `node-${id}`, class: `node ${role}`, tabindex: 0, role: "img" }, parent);
    const rx = node.operation ? 10 : 2; // leaves have sharp corners
    svg("rect", { class: "box", x: left, y: top, width: w, height: h, rx }, g);
    if (role === "root") {
      svg("rect", { class: "rim", x: left - 4, y: top - 4, width: w + 8, height: h + 8, rx: 13 }, g);
    }
    svg("text", { class: "title", x: left + box.side, y: top + box.title }, g, short(node.title, 16));
    const view = { g };
    const isNumber = role === "constant" && !node.values; // its title says it all
    if (!isNumber) svg("text", { class: "kind", x: left + w - box.side, y: top + box.title }, g, short(kindOf(node), 16));
    if (node.values) {
      const size = [w / 2 - 14, h - box.table - box.below];
      svg("text", { class: "caption", x: left + box.side, y: top + box.title + box.line }, g, "value");
      view.values = drawHeat(node.values, left + box.side, top + box.table, size, g);
      if (node.gradient !== null) {
        svg("text", { class: "caption gradient", x: x + 4, y: top + box.title + box.line }, g, "grad");
        view.gradients = drawHeat(node.values, x + 4, top + box.table, size, g);
        view.gradient = svg("text", { class: "number gradient", x: left + w - box.side, y: top + h - 7 }, g);
      }
      svg("text", { class: "caption", x: left + box.side, y: top + h - 7 }, g, node.shape.join("×"));
    } else if (!isNumber) {
      view.value = drawRow("value", "", left, top + box.title + box.line, w, g);
      if (node.gradient !== null) {
        view.gradient = drawRow("grad", " gradient", left, top + box.title + 2 * box.line, w, g);
      }
    }
    g.addEventListener("pointerenter", () => showDetails(node));
    g.addEventListener("focus", () => showDetails(node));
    return view;
  }

  function drawRow(caption, className, left, y, width, parent) {
    svg("text", { class: `caption${className}`, x: left + box.side, y }, parent, caption);
    return svg("text", { class: `number${className}`, x: left + width - box.side, y }, parent);
  }

  // A pixel for each cell over a neutral ground: the colour is the sign, the opacity the size. Six
  // hundred tables of elements of their own would make every step slow.
  function drawHeat(table, x, y, [width, height], parent) {
    const [rows, columns] = [table.rows.length, table.rows[0].length];
    const place = { x, y, width: Math.min(width, box.cell * columns), height: Math.min(height, box.cell * rows) };
    svg("rect", { class: "ground", ...place }, parent);
    return svg("image", { ...place, class: "heat", preserveAspectRatio: "none", decoding: "sync" }, parent);
  }

  function paint(image, table, top) {
    if (!table) {
      image.removeAttribute("href");
      return;
    }
    const [rows, columns] = [table.rows.length, table.rows[0].length];
    [canvas.width, canvas.height] = [columns, rows];
    const context = canvas.getContext("2d");
    const pixels = table.rows.flat().flatMap((x) => {
      if (typeof x === "string") return [...STRANGE, 255];
      return [...(x < 0 ? MINUS : PLUS), 255 * strength(x, top)];
    });
    context.putImageData(new ImageData(new Uint8ClampedArray(pixels), columns, rows), 0, 0);
    image.setAttribute("href", canvas.toDataURL());
  }

  function strength(x, top) {
    return top > 0 ? Math.min(1, Math.abs(Number(x)) / top) || 0 : 0;
  }

  // Showing one stop

  function go(stop) {
    stop = Math.max(0, Math.min(stops.length - 1, stop));
    if (stop === current) return;
    current = stop;
    redraw();
    follow();
    animate();
    byId("live").textContent = textOf(current);
    document.dispatchEvent(new CustomEvent("step", { detail: current }));
  }

  function redraw() {
    data.nodes.forEach(showNode);
    data.edges.forEach(showEdge);
    showNow();
    showControls();
    if (detailed) showDetails(detailed);
  }

  function showNode(node) {
    const view = views.nodes[node.id];
    const step = stops[current];
    const isNow = !isFilm && step.to === node.id;
    const isFrom = !isFilm && !isNow && step.node === node.id;
    const state = stateOf(node, current);
    // Most nodes stay as they are from step to step.
    const shown = isFilm ? current : [isNow, isFrom, state.value === null, state.arrived, state.gradient].join();
    if (view.shown === shown) return;
    view.shown = shown;
    view.g.classList.toggle("now", isNow);
    view.g.classList.toggle("back", isNow && step.phase !== "forward");
    view.g.classList.toggle("from", isFrom);
    if (isNow) view.g.setAttribute("aria-current", "step");
    else view.g.removeAttribute("aria-current");
    view.g.classList.toggle("pending", state.value === null);
    view.g.setAttribute("aria-label", labelOf(node, state));
    if (view.value) view.value.textContent = state.value === null ? "" : short(number(state.value), 12);
    if (view.values) paint(view.values, state.values, peaks[node.id].values);
    if (view.gradients) paint(view.gradients, state.gradients, peaks[node.id].gradients);
    if (view.gradient) {
      view.gradient.textContent = state.gradient === null ? "" : short(number(state.gradient), 14);
      view.gradient.classList.toggle("part", state.arrived < state.of);
    }
  }

  function labelOf(node, state) {
    const parts = [short(node.title, 40), kindOf(node)];
    if (node.shape.length) parts.push(`shape ${node.shape.join(" by ")}`);
    if (state.value === null) parts.push("not computed yet");
    else parts.push(`value ${number(state.value)}`);
    if (state.gradient !== null) parts.push(`gradient ${number(state.gradient)}`);
    if (state.gradient !== null && state.arrived < state.of) parts.push(`${state.arrived} of ${state.of} parts`);
    return parts.join(", ");
  }

  function showEdge(edge, k) {
    const step = stops[current];
    const size = isFilm ? step.contribution[k] : edge.contribution;
    const isBack = size !== null && (isFilm || times.arrival[k] <= current);
    const isForward = isFilm || times.birth[edge.target] <= current;
    const isNow = !isFilm && step.edges.includes(k);
    const names = [isForward && "forward", isBack && "back", isNow && "now"].filter(Boolean).join(" ");
    if (views.shown[k] === names && !isFilm) return;
    views.shown[k] = names;
    views.edges[k].setAttribute("class", `edge ${names}`);
    views.flows[k].setAttribute("class", `flow ${names}`);
    views.flows[k].textContent = isBack ? number(size) : "";
  }

  function showNow() {
    const now = byId("now");
    now.replaceChildren();
    if (isFilm) {
      html("p", "phase", now, textOf(current));
      if (losses.every(Number.isFinite)) drawChart(now);
      html("p", "hint", now, "Colours keep their scale in all frames. Point at a node for its numbers.");
      return;
    }
    const step = data.steps[current];
    const isBack = step.phase === "backward" || step.phase === "seed";
    const phase = html("p", "phase", now);
    html("span", isBack ? "badge back" : "badge", phase, isBack ? "Backward" : "Forward");
    phase.append(`step ${current + 1} of ${stops.length}`);
    if (step.left) showEquation(step, now);
    html("p", "line", now, step.text);
    if (step.phase === "backward") showRule(data.nodes[step.node], now);
    if (step.uses > 1) showUses(step, now);
    if (step.phase === "backward") {
      const top = peaks[step.to].gradients;
      drawTable("what arrives", data.edges[step.edges[0]].contributions, top, now);
      if (step.uses > 1) drawTable("the gradient so far", step.totals, top, now);
    } else if (step.phase !== "start") {
      const node = data.nodes[step.node];
      const name = step.phase === "seed" ? "gradients" : "values";
      drawTable("the result", node[name], peaks[node.id][name], now);
    }
    if (current === 0) {
      html("p", "hint", now, "→ and ← step, Space plays, Home and End go to the ends. "
        + "Point at a node, or reach it with Tab, for its numbers.");
    }
  }

  // The formula in symbols, with numbers, and what it comes to, below each other.
  function showEquation(step, parent) {
    const grid = html("div", "equation", parent);
    grid.tabIndex = 0; // a long formula scrolls
    math(step.left, "", grid);
    const sign = step.phase === "backward" ? "+=" : "=";
    const lines = new Set([step.symbols, step.numbers, step.result].filter(Boolean));
    [...lines].forEach((line, i) => {
      if (i > 0) html("span", "", grid);
      html("span", "", grid, i === 0 ? sign : "=");
      math(line, line === step.result ? "result" : "", grid);
    });
  }

  // The rule that is being called, as its source says it.
  function showRule(node, parent) {
    const source = data.rules[node.operation];
    if (!source) return;
    const quote = html("pre", "rule", parent, source);
    quote.tabIndex = 0; // a long line scrolls
    quote.setAttribute("aria-label", `the rule of ${short(node.operation, 24)}`);
  }

  // All uses of a node that its gradient is the sum of, and the sum so far.
  function showUses(step, parent) {
    const list = html("table", "uses", parent);
    const name = short(data.nodes[step.to].title, 24);
    html("caption", "", list, `${name} is used ${step.uses} times: its gradient is the sum`);
    uses[step.to].forEach((k, i) => {
      const row = html("tr", i + 1 === step.use ? "now" : i + 1 > step.use ? "awaited" : "", list);
      const edge = data.edges[k];
      const target = data.nodes[edge.target];
      html("td", "", row, `through ${short(target.title, 24)}`);
      html("td", "", row, i + 1 > step.use ? "…" : number(edge.contribution));
    });
    const row = html("tr", "sum", list);
    html("td", "", row, step.use < step.uses ? "so far" : "sum");
    html("td", "", row, number(stateOf(data.nodes[step.to], current).gradient));
  }

  function showDetails(node) {
    views.nodes[detailed?.id]?.g.classList.remove("detailed");
    detailed = node;
    views.nodes[node.id].g.classList.add("detailed");
    const state = stateOf(node, current);
    const rows = {
      name: node.name && short(node.name, 300), operation: node.operation, options: node.options,
      role: node.role, shape: node.shape.join(" × "), type: node.dtype,
      value: state.value, gradient: state.gradient, module: node.module, line: node.line,
    };
    const details = byId("details");
    details.replaceChildren();
    html("h2", "", details, short(node.title, 60));
    const list = html("dl", "", details);
    for (const [name, x] of Object.entries(rows)) {
      if (x === null || x === "") continue;
      html("dt", "", list, name);
      html("dd", "", list, number(x));
    }
    drawTable("value", state.values, peaks[node.id].values, details);
    drawTable("gradient", state.gradients, peaks[node.id].gradients, details);
  }

  // A table as coloured cells, with the numbers where there are few.
  function drawTable(caption, table, top, parent) {
    if (!table) return;
    const isFew = table.rows.length * table.rows[0].length <= FEW && table.rows[0].length <= 6;
    html("p", "caption", parent, table.exact ? caption : `${caption}: means of its parts`);
    const element = html("table", "cells", parent);
    element.setAttribute("aria-label", caption);
    for (const row of table.rows) {
      const line = html("tr", "", element);
      for (const x of row) {
        const cell = html("td", "", line, isFew ? number(x) : "");
        const share = Math.round(strength(x, top) * (isFew ? 55 : 100)); // numbers stay readable
        const colour = x < 0 ? "var(--minus)" : "var(--plus)";
        cell.style.background = `color-mix(in srgb, ${colour} ${share}%, var(--neutral))`;
        cell.title = number(x);
      }
    }
    const scale = html("p", "scale", parent, `−${number(top)}`);
    html("i", "", scale);
    scale.append(number(top));
  }

  // The loss over the frames; a click goes to a frame.
  function drawChart(parent) {
    const [width, height, left, bottom] = [320, 170, 52, 24];
    const chart = svg("svg", { id: "chart", viewBox: `0 0 ${width} ${height}`, "aria-hidden": true }, parent);
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    const isLog = low > 0 && high / low > 20;
    const scaled = (y) => (isLog ? Math.log(y) : y);
    const span = scaled(high) - scaled(low) || 1;
    const x = (i) => left + (i / Math.max(1, losses.length - 1)) * (width - left - 10);
    const y = (loss) => height - bottom - ((scaled(loss) - scaled(low)) / span) * (height - bottom - 28);
    svg("text", { x: 0, y: 12 }, chart, isLog ? "loss (log scale)" : "loss");
    svg("text", { x: left - 6, y: y(high) + 4, "text-anchor": "end" }, chart, number(Number(high.toPrecision(2))));
    svg("text", { x: left - 6, y: y(low) + 4, "text-anchor": "end" }, chart, number(Number(low.toPrecision(2))));
    svg("text", { x: width - 10, y: height - 5, "text-anchor": "end" }, chart, "frame");
    svg("path", { class: "axis", d: `M${left} 20V${height - bottom + 6}H${width - 10}`, fill: "none" }, chart);
    const points = losses.map((loss, i) => `${x(i).toFixed(1)},${y(loss).toFixed(1)}`);
    svg("polyline", { class: "curve", points: points.join(" ") }, chart);
    const here = x(current);
    svg("line", { class: "mark", x1: here, x2: here, y1: 20, y2: height - bottom + 6 }, chart);
    svg("circle", { cx: here, cy: y(losses[current]), r: 5 }, chart);
    chart.addEventListener("click", (event) => {
      const box = chart.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * width;
      turn(Math.round(((at - left) / (width - left - 10)) * (losses.length - 1)));
    });
  }

  function showControls() {
    const [isFirst, isLast] = [current === 0, current === stops.length - 1];
    byId("first").disabled = byId("back").disabled = isFirst;
    byId("next").disabled = byId("last").disabled = isLast;
    byId("slider").value = current;
    byId("slider").setAttribute("aria-valuetext", textOf(current));
    byId("count").textContent = `${current + 1} / ${stops.length}`;
  }

  // Moving

  function scaleTo(scale) {
    zoom = Math.max(0.1, Math.min(3, scale));
    views.picture.setAttribute("width", data.size[0] * zoom);
    views.picture.setAttribute("height", data.size[1] * zoom);
    follow();
  }

  function whole() {
    return Math.min(stage.clientWidth / data.size[0], stage.clientHeight / data.size[1]);
  }

  function follow() {
    const node = isFilm ? null : stops[current]?.to ?? null;
    if (node === null) return;
    const { x, y } = data.nodes[node];
    stage.scrollTo({
      left: x * zoom - stage.clientWidth / 2, top: y * zoom - stage.clientHeight / 2,
      behavior: still.matches ? "instant" : "smooth",
    });
  }

  // A dot runs along the current edges, the way that the numbers go.
  function animate() {
    views.picture.querySelectorAll(".dot").forEach((dot) => dot.remove());
    if (isFilm || still.matches) return;
    const isBack = stops[current].phase === "backward";
    for (const k of stops[current].edges) {
      const dot = svg("circle", { class: isBack ? "dot back" : "dot", r: 6 }, views.picture);
      dot.style.offsetPath = `path("${data.edges[k].path}")`;
      const run = dot.animate(
        { offsetDistance: isBack ? ["100%", "0%"] : ["0%", "100%"] },
        { duration: 700 / Number(byId("speed").value), easing: "ease-in-out" },
      );
      run.onfinish = () => dot.remove();
    }
  }

  // Playing

  function play() {
    if (timer !== null) return;
    if (current === stops.length - 1) go(0);
    schedule();
    showPlaying();
  }

  function schedule() {
    timer = setTimeout(() => {
      go(current + 1);
      if (current < stops.length - 1) schedule();
      else pause();
    }, PAUSE / Number(byId("speed").value));
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    showPlaying();
  }

  function toggle() {
    if (timer === null) play();
    else pause();
  }

  function showPlaying() {
    byId("play").classList.toggle("playing", timer !== null);
    byId("play").setAttribute("aria-label", timer === null ? "Play" : "Pause");
  }

  // What a hand on the controls does: playing stops.
  function turn(stop) {
    pause();
    go(stop);
  }

  function switchTheme() {
    const { style } = document.documentElement;
    const isDark = style.colorScheme ? style.colorScheme === "dark" : dark.matches;
    style.colorScheme = isDark ? "light" : "dark";
  }

  function onKey(event) {
    const moves = {
      ArrowRight: () => turn(current + 1), ArrowLeft: () => turn(current - 1),
      Home: () => turn(0), End: () => turn(stops.length - 1), " ": toggle,
      "+": () => scaleTo(zoom * 1.25), "-": () => scaleTo(zoom / 1.25), 0: () => scaleTo(whole()),
    };
    const { key, target } = event;
    const isTyping = target.closest("input:not([type=range]), select, textarea");
    const isPress = key === " " && target.closest("button");
    if (!(key in moves) || isTyping || isPress || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[key]();
  }

  function start() {
    drawGraph();
    const clicks = {
      first: () => turn(0), back: () => turn(current - 1), play: toggle,
      next: () => turn(current + 1), last: () => turn(stops.length - 1), theme: switchTheme,
      smaller: () => scaleTo(zoom / 1.25), larger: () => scaleTo(zoom * 1.25), fit: () => scaleTo(whole()),
    };
    for (const [id, onClick] of Object.entries(clicks)) byId(id).addEventListener("click", onClick);
    byId("slider").max = stops.length - 1;
    byId("slider").addEventListener("input", (event) => turn(Number(event.target.value)));
    document.addEventListener("keydown", onKey);
    const least = isFilm && stage.clientWidth > 700 ? 0.5 : 0.7; // to read the whole graph
    scaleTo(whole() < least ? 0.8 : Math.min(1.5, whole()));
    go(0);
  }

  window.player = {
    data, stateOf, go, play, pause, redraw,
    steps: stops,
    get step() { return current; },
    get isPlaying() { return timer !== null; },
  };
  start();
})();
