// The panel beside the graph: the current step, and the details of a node.

const isTouched = window.matchMedia("(pointer: coarse)").matches;
const POINT = isTouched ? "Touch" : "Point at";
let pointed = null; // the node under the pointer
let pinned = null; // the node that was clicked or has the focus
let detailed = null; // the node whose details are shown

function showNow() {
  const now = byId("now");
  now.replaceChildren();
  if (isFilm) {
    const [said, drawn] = [1, 2].map(() => html("div", "", now));
    html("p", "phase", said, textOf(current));
    const finite = losses.filter(Number.isFinite);
    if (finite.length) drawChart(finite, drawn);
    if (finite.length && finite.length < losses.length) {
      html("p", "hint", said, `${losses.length - finite.length} of ${losses.length} frames have no finite loss: the curve leaves them out.`);
    }
    html("p", "hint", said, `All frames have the same colour scale. ${POINT} a node to see its numbers.`);
    return;
  }
  const step = data.steps[current];
  const [said, called, shown] = [1, 2, 3].map(() => html("div", "", now));
  const isBack = step.phase === "backward" || step.phase === "seed";
  const phase = html("p", "phase", said);
  html("span", isBack ? "badge back" : "badge", phase, isBack ? "Backward" : "Forward");
  phase.append(isStride() ? strideText() : `step ${current + 1} of ${stops.length}`);
  if (isStride()) {
    active.forEach((each) => writeEquation(each, said));
    return;
  }
  if (step.left) showEquation(step, said);
  if (step.phase !== "forward") html("p", "words", said, wordsOf(step));
  if (step.uses > 1) showUses(step, called);
  if (step.phase === "backward") showRule(data.nodes[step.node], step.uses > 1 ? shown : called);
  showTables(step, shown);
  if (current === 0) showHelp(called);
}

function showTables(step, parent) {
  const node = data.nodes[step.to ?? 0];
  const { values, gradients } = peaks[node.id];
  const isProduct = showProduct(step, parent);
  if (step.phase === "forward" && !isProduct) drawTable("the result", node.values, values, parent);
  if (step.phase === "seed") drawTable("the result", node.gradients, gradients, parent);
  if (step.phase !== "backward") return;
  if (!isProduct) drawTable("the contribution", data.edges[step.edges[0]].contributions, gradients, parent);
  if (step.uses > 1) drawTable("the gradient so far", step.totals, gradients, parent);
}

function showHelp(parent) {
  html("p", "hint", parent, isTouched
    ? "Swipe left here for the next step. Touch a node to see its steps and its numbers."
    : "→ and ← go one step, Space plays, Home and End go to the first and the last step. "
    + "Point at a node, or reach it with Tab, to see its numbers. Click it to go to its steps.");
  if (everything) {
    html("p", "hint", parent, "Click + on a layer to open it in its place, and − to close it. The key o does "
      + "the same for the node that has the focus.");
  }
  if (uses.some((edges) => edges.length > 1)) {
    html("p", "hint", parent, "“so far” marks a gradient that is not complete: other uses of the node have "
      + "not sent their part yet.");
  }
}

// The formula in symbols, with numbers, and its result, one below the other.
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

// The incoming gradient, the slope, and their product, in sentences.
function wordsOf(step) {
  if (!step.left) return step.text; // the start, a question
  const { title, operation, gradient } = data.nodes[step.node];
  const from = short(title, 24);
  if (step.phase === "seed") return `The backward pass starts at ${from} with the gradient ${number(gradient)}.`;
  const { contribution, local } = data.edges[step.edges[0]];
  const to = short(data.nodes[step.to].title, 24);
  const role = step.uses === 1 ? "is" : data.nodes[step.to].leaving > 1 ? "is a part of"
    : step.use === 1 ? "is the first part of" : "is added to";
  if (local === null) {
    const isArray = data.edges[step.edges[0]].size !== 1;
    const found = isArray ? `an array of norm ${number(contribution)}` : number(contribution);
    const given = typeof gradient === "string" ? `a gradient of ${gradient}` : `the gradient ${number(gradient)}`;
    return `${from} has ${given}. In the backward pass, ${operation} turns it into ${found}, which ${role} the gradient of ${to}.`;
  }
  return `${from} has the gradient ${number(gradient)}. Its slope with respect to ${to} is ${number(local)}. `
    + `Their product, ${number(contribution)}, ${role} the gradient of ${to}.`;
}

// The source of the derivative rule, without its comments, which are about rare numbers.
function showRule(node, parent) {
  const source = data.rules[node.operation]?.split("\n").filter((line) => !/^\s*#/.test(line)).join("\n");
  if (!source) return;
  const quote = html("pre", "rule", parent, source);
  quote.setAttribute("aria-label", `the rule of ${short(node.operation, 24)}`);
}

// The uses of a node: its gradient is the sum of their contributions. Also the sum so far.
function showUses(step, parent) {
  const list = html("table", "uses", parent);
  const { title, leaving } = data.nodes[step.to];
  const name = short(title, 24);
  html("caption", "", list, leaving > 1
    ? `${leaving} values of ${name} are used ${step.uses} times: each has a gradient of its own`
    : `${name} is used ${step.uses} times: its gradient is the sum`);
  uses[step.to].forEach((k, i) => {
    const row = html("tr", i + 1 === step.use ? "now" : i + 1 > step.use ? "awaited" : "", list);
    const edge = data.edges[k];
    const target = data.nodes[edge.target];
    html("td", "", row, `through ${short(target.title, 24)}`);
    const amount = `${edge.size === 1 ? "" : "norm "}${number(edge.contribution)}`;
    html("td", "", row, i + 1 > step.use ? "…" : amount);
  });
  const row = html("tr", "sum", list);
  html("td", "", row, step.use < step.uses ? "so far" : leaving > 1 ? "together" : "sum");
  html("td", "", row, number(stateOf(data.nodes[step.to], current).gradient));
}

// Of the node under the pointer, else of the one that was clicked or has the focus.
function showDetails() {
  const node = pointed ?? pinned;
  views.nodes[detailed?.id]?.g.classList.remove("detailed");
  detailed = node;
  const details = byId("details");
  details.replaceChildren();
  if (!node) return;
  views.nodes[node.id].g.classList.add("detailed");
  const state = stateOf(node, current);
  const rows = {
    name: node.name && short(node.name, 300), operation: node.operation, options: node.options,
    role: node.role, shape: node.shape.join(" × "), type: node.dtype, value: state.value,
    gradient: state.gradient, "so far": isPart(state) ? arrivedText(state) : null,
    module: node.module, line: node.line,
  };
  html("h2", "", details, short(node.title, 60));
  const list = html("dl", "", details);
  for (const [name, x] of Object.entries(rows)) {
    if (x === null || x === "") continue;
    html("dt", "", list, name);
    html("dd", "", list, number(x));
  }
  drawTable("value", state.values, peaks[node.id].values, details);
  drawTable(isPart(state) ? "gradient so far" : "gradient", state.gradients, peaks[node.id].gradients, details);
  if (document.activeElement === views.nodes[node.id].g) {
    const fold = isFolded(node) ? ", o opens it" : isInside(node) ? ", o closes the layer around it" : "";
    html("p", "hint", details, "Arrow keys move between nodes"
      + `${isFilm ? "" : ", Enter goes to the steps of this one"}${fold}, Escape goes back.`);
  }
}

function point(node) {
  pointed = node;
  showDetails();
}

function pin(node) {
  pinned = node;
  showDetails();
}

// The loss over the frames; a click goes to a frame.
function drawChart(finite, parent) {
  const [width, height, left, bottom] = [320, 170, 52, 24];
  const chart = svg("svg", { id: "chart", viewBox: `0 0 ${width} ${height}`, "aria-hidden": true }, parent);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
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
  const points = losses.map((loss, i) => Number.isFinite(loss) && `${x(i).toFixed(1)},${y(loss).toFixed(1)}`);
  svg("polyline", { class: "curve", points: points.filter(Boolean).join(" ") }, chart);
  const here = x(current);
  svg("line", { class: "mark", x1: here, x2: here, y1: 20, y2: height - bottom + 6 }, chart);
  if (points[current]) svg("circle", { cx: here, cy: y(losses[current]), r: 5 }, chart);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    turn(Math.round(((at - left) / (width - left - 10)) * (losses.length - 1)));
  });
}
