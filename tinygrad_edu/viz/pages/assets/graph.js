// The picture of the graph, and its numbers at a stop.

const { box } = data; // the places in the box of a node
const stage = byId("stage");
const views = { nodes: [], edges: [], flows: [], shown: [] };

function drawGraph() {
  const [width, height] = data.size;
  stage.replaceChildren();
  views.shown = [];
  views.world = html("div", "world", stage);
  const picture = svg("svg", { id: "graph", viewBox: `0 0 ${width} ${height}`, width, height }, views.world);
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
  const [right, bottom] = [x + width, y + height];
  if (group.comes || group.goes) { // a part of a box that spans several rows: open where it is broken
    const d = group.comes ? `M${x} ${y}H${right}${group.goes ? `M${right} ${bottom}` : `V${bottom}`}H${x}`
      : `M${right} ${y}H${x}V${bottom}H${right}`;
    svg("path", { d }, g);
  } else svg("rect", { x, y, width, height, rx: 10 }, g);
  if (group.comes) return;
  const name = group.path ? `${group.path}: ${group.kind}` : group.kind;
  const left = group.isOpen ? 26 : 9; // right of its mark
  svg("text", { x: x + left, y: y + 15 }, g, short(name, Math.max(8, width / 8)));
  if (group.isOpen) drawFold(group.path, x, y, g);
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
  const g = svg("g", { id: `node-${id}`, class: `node ${role}`, tabindex: -1, role: "button" }, parent);
  const rx = node.operation ? 10 : 2; // leaves have sharp corners
  svg("rect", { class: "box", x: left, y: top, width: w, height: h, rx }, g);
  if (role === "root") {
    svg("rect", { class: "rim", x: left - 4, y: top - 4, width: w + 8, height: h + 8, rx: 13 }, g);
  }
  svg("text", { class: "title", x: left + box.side, y: top + box.title }, g, short(node.title, 16));
  const view = { g };
  const isNumber = role === "constant" && !node.values; // its title is the number
  if (!isNumber) svg("text", { class: "kind", x: left + w - box.side, y: top + box.title }, g, short(kindOf(node), 16));
  if (node.values) {
    const size = [w / 2 - 14, h - box.table - box.below];
    svg("text", { class: "caption", x: left + box.side, y: top + box.title + box.line }, g, "value");
    view.values = drawHeat(node.values, left + box.side, top + box.table, size, g);
    explain(view.values, (event) => cellAt(event, view.values, stateOf(node, current).values, node));
    if (node.gradient !== null) {
      const at = { class: "caption gradient", x: x + 4, y: top + box.title + box.line };
      view.caption = svg("text", at, g, "grad");
      view.gradients = drawHeat(node.values, x + 4, top + box.table, size, g);
      explain(view.gradients, (event) => cellAt(event, view.gradients, stateOf(node, current).gradients, node));
      view.gradient = svg("text", { class: "number gradient", x: left + w - box.side, y: top + h - 7 }, g);
    }
    svg("text", { class: "caption", x: left + box.side, y: top + h - 7 }, g, node.shape.join("×"));
  } else if (!isNumber) {
    view.value = drawRow("value", "", left, top + box.title + box.line, w, g);
    if (node.gradient !== null) {
      view.gradient = drawRow("grad", " gradient", left, top + box.title + 2 * box.line, w, g);
      view.caption = view.gradient.previousSibling;
    }
  }
  drawMark(left + w, top, g);
  if (isFolded(node)) {
    drawFold(node.module, left, top, g);
    g.setAttribute("aria-expanded", false);
  }
  g.addEventListener("pointerenter", () => point(node));
  g.addEventListener("pointerleave", () => point(null));
  g.addEventListener("focus", () => enter(node));
  g.addEventListener("blur", () => pin(null));
  return view;
}

// The mark at the corner of a node whose value or gradient is nan or infinite.
function drawMark(x, y, parent) {
  const mark = svg("g", { class: "mark" }, parent);
  svg("circle", { cx: x, cy: y, r: 9 }, mark);
  svg("text", { x, y: y + 5 }, mark, "!");
  explain(mark, () => "nan or inf: not a finite number");
}

function drawRow(caption, className, left, y, width, parent) {
  svg("text", { class: `caption${className}`, x: left + box.side, y }, parent, caption);
  return svg("text", { class: `number${className}`, x: left + width - box.side, y }, parent);
}

function showNode(node) {
  const view = views.nodes[node.id];
  const step = stops[current];
  const isNow = active.some(({ to }) => to === node.id);
  const isFrom = !isFilm && !isStride() && !isNow && step.node === node.id;
  const isLit = !isFilm && !isStride() && !isNow && Boolean(step.reads?.includes(node.id)); // its value enters the product
  const state = stateOf(node, current);
  // Most nodes stay as they are from step to step.
  const shown = isFilm ? current : [isNow, isFrom, isLit, state.value === null, state.arrived, state.gradient].join();
  if (view.shown === shown) return;
  view.shown = shown;
  view.g.classList.toggle("now", isNow);
  view.g.classList.toggle("back", isNow && step.phase !== "forward");
  view.g.classList.toggle("from", isFrom);
  view.g.classList.toggle("lit", isLit);
  if (isNow) view.g.setAttribute("aria-current", "step");
  else view.g.removeAttribute("aria-current");
  view.g.classList.toggle("pending", state.value === null);
  view.g.classList.toggle("strange", isStrange(state.value) || isStrange(state.gradient));
  view.g.setAttribute("aria-label", labelOf(node, state));
  if (view.value) view.value.textContent = state.value === null ? "" : short(number(state.value), 12);
  if (view.values) paint(view.values, state.values, peaks[node.id].values);
  if (view.gradients) paint(view.gradients, state.gradients, peaks[node.id].gradients);
  if (view.gradient) {
    view.gradient.textContent = state.gradient === null ? "" : short(number(state.gradient), 14);
    view.gradient.classList.toggle("part", isPart(state));
    view.caption.textContent = isPart(state) ? "so far" : "grad";
  }
}

function labelOf(node, state) {
  const parts = [short(node.title, 40), kindOf(node)];
  if (node.shape.length) parts.push(`shape ${node.shape.join(" by ")}`);
  if (state.value === null) parts.push("not computed yet");
  else parts.push(`value ${number(state.value)}`);
  if (state.gradient !== null) parts.push(`gradient ${number(state.gradient)}`);
  if (isPart(state)) parts.push(`so far: ${arrivedText(state)}`);
  if (isStrange(state.value) || isStrange(state.gradient)) parts.push("not a finite number");
  if (isFolded(node)) parts.push("folded: the key o opens it");
  return parts.join(", ");
}

function showEdge(edge, k) {
  const step = stops[current];
  const size = isFilm ? step.contribution[k] : edge.contribution;
  const isBack = size !== null && (isFilm || times.arrival[k] <= current);
  const isForward = isFilm || times.birth[edge.target] <= current;
  const isNow = active.some(({ edges }) => edges.includes(k));
  const names = [isForward && "forward", isBack && "back", isNow && "now"].filter(Boolean).join(" ");
  if (views.shown[k] === names && !isFilm) return;
  views.shown[k] = names;
  views.edges[k].setAttribute("class", `edge ${names}`);
  views.flows[k].setAttribute("class", `flow ${names}`);
  views.flows[k].textContent = isBack ? number(size) : "";
}
