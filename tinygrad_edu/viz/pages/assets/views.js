// The views of a graph whose modules open and close in their places. The data has all nodes, edges and
// steps of all views, and the layout inside each module. The current view is the part of it that is shown.

const insides = new Map(); // the layout inside each module, and of the graph itself (null)
const EDGE = 28; // pixels between the box of an open module and its inside, left and right
const HEAD = 20; // pixels above its inside
const PARTS = 6; // into which a piece of a curve is split before it is stretched
// A place for the name of a node, or for the names of all its operands, with the element around it in a
// formula.
const OPEN_NAME = /(?:<mi>|<mtext>)?\ue000(a?)(\d+)\ue001(?:<\/mi>|<\/mtext>)?/g;

function isThere({ home }) {
  return home === null || (!isFolded(everything.nodes[home]) && isThere(everything.nodes[home]));
}

function isSeen(node) {
  return isThere(node) && (node.role !== "module" || isFolded(node));
}

// The node that is shown for a node: itself, or the outermost folded module around it.
function seenAs(node) {
  const around = isInside(node) ? seenAs(everything.nodes[node.home]) : node;
  return isInside(node) && isFolded(around) ? around : node;
}

// Puts the nodes, edges and steps of the current view into the data.
function takeView() {
  data.insides.forEach((inside) => insides.set(inside.home, inside));
  const ids = new Set(everything.nodes.filter(isSeen).map((node) => node.id));
  const edges = everything.edges.map((_, k) => k)
    .filter((k) => ids.has(everything.edges[k].source) && ids.has(everything.edges[k].target));
  const used = new Set(edges.map((k) => everything.edges[k].source));
  // A plain array is shown if an edge leads from it to a shown node.
  const nodes = everything.nodes.filter(({ id, role }) => ids.has(id) && (role !== "constant" || used.has(id)));
  const places = placesOf(laidOut(null), [0, 0]);
  const newIds = new Map(nodes.map((node, i) => [node.id, i]));
  Object.assign(data, {
    size: places.get(null).size,
    nodes: nodes.map((node, id) => ({ ...node, id, ...placed(node, places.get(node.home)) })),
    edges: edgesOf(edges, places, newIds),
    groups: groupsOf(places),
    steps: stepsSeen(newIds, new Map(edges.map((k, i) => [k, i]))),
  });
}

// Steps

function stepsSeen(ids, edgeIds) {
  const counts = new Map(); // how many uses each node has
  const isShown = ({ phase, node, edges }) => (
    (node === null || ids.has(node)) && (phase !== "backward" || edgeIds.has(edges[0]))
  );
  const found = everything.steps.map((step, all) => ({ ...step, all })).filter(isShown).map((step) => {
    const filled = (text, style) => text && named(text, style, edgeIds);
    if (step.phase === "backward") counts.set(step.to, (counts.get(step.to) ?? 0) + 1);
    return {
      ...step, use: counts.get(step.to), of: step.to,
      node: ids.get(step.node) ?? null, to: ids.get(step.to) ?? null,
      edges: step.edges.filter((k) => edgeIds.has(k)).map((k) => edgeIds.get(k)),
      reads: step.reads?.map((id) => ids.get(seenAs(everything.nodes[id]).id)),
      text: filled(step.text, "title"), left: filled(step.left, "formula"), symbols: filled(step.symbols, "formula"),
    };
  });
  return found.map((step) => (step.phase === "backward" ? { ...step, uses: counts.get(step.of) } : step));
}

function named(text, style, edgeIds) {
  const name = (id) => seenAs(everything.nodes[id])[style];
  return text.replace(OPEN_NAME, (_, all, id) => {
    if (!all) return name(id);
    const sources = everything.edges.filter((edge, k) => edge.target === Number(id) && edgeIds.has(k));
    return sources.map(({ source }) => name(source)).join(style === "title" ? ", " : "<mo>,</mo>");
  });
}

// The step of this view for the same moment as step `all` of everything, or the nearest one.
function sameMoment(all) {
  const step = everything.steps[all];
  const differences = stops.map((other) => {
    const there = everything.steps[other.all];
    return [
      there.phase !== step.phase,
      !sharesUse(there, step),
      step.node !== null && there.node !== null && !isAround(there.node, step.node) && !isAround(step.node, there.node),
      Math.abs(other.all - all),
    ].map(Number);
  });
  const order = differences.map((_, i) => i).sort((a, b) => {
    const i = differences[a].findIndex((x, place) => x !== differences[b][place]);
    return i < 0 ? a - b : differences[a][i] - differences[b][i];
  });
  return order[0];
}

function sharesUse(one, other) {
  if (one.phase !== "backward" || other.phase !== "backward") return one === other;
  const covered = everything.edges[other.edges[0]].uses;
  return everything.edges[one.edges[0]].uses.some((use) => covered.includes(use));
}

function isAround(id, other) {
  return id === other || (isInside(everything.nodes[other]) && isAround(id, everything.nodes[other].home));
}

// Places

// The room that the inside of a module needs, with the modules that are open in it.
function laidOut(home) {
  const { size, door } = insides.get(home);
  const open = everything.nodes.filter((node) => node.home === home && node.role === "module" && !isFolded(node))
    .map((node) => ({ node, ...laidOut(node.id) }));
  const across = stretched(open.map(({ node: { x, w }, room }) => [x - w / 2, x + w / 2, room[0]]));
  const down = stretched(open.flatMap(({ node: { y, h }, room, entrance }) => (
    [[y - h / 2, y, entrance], [y, y + h / 2, room[1] - entrance]]
  )));
  const [width, height] = [across(size[0]), down(size[1])];
  return { home, open, across, down, size: [width, height],
    room: [width + 2 * EDGE, height + HEAD], entrance: HEAD + down(door) };
}

// Stretches a line so that each span [from, to] gets the length that it needs. Nothing gets shorter.
function stretched(spans) {
  const cuts = [...new Set(spans.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const slopes = cuts.map((cut, i) => Math.max(1, ...spans
    .filter(([from, to]) => from <= cut && cuts[i + 1] <= to).map(([from, to, length]) => length / (to - from))));
  return (x) => cuts.reduce(
    (at, cut, i) => at + Math.max(0, Math.min(x, cuts[i + 1] ?? x) - cut) * slopes[i], Math.min(x, cuts[0] ?? x),
  );
}

// The place on the page of each open module, and of the graph itself (null).
function placesOf(layout, [left, top], found = new Map()) {
  const { home, open, across, down, size } = layout;
  const at = ([x, y]) => [left + across(x), top + down(y)];
  found.set(home, { at, left, size, isStretched: open.length > 0 });
  for (const inner of open) {
    const { node, room, entrance } = inner;
    const [start, middle] = at([node.x - node.w / 2, node.y]);
    const [end] = at([node.x + node.w / 2, node.y]);
    placesOf(inner, [(start + end - room[0]) / 2 + EDGE, middle - entrance + HEAD], found);
    found.get(node.id).box = [start, middle - entrance, end - start, room[1]];
  }
  return found;
}

function placed({ x, y }, { at }) {
  const [left, top] = at([x, y]);
  return { x: left, y: top };
}

function groupsOf(places) {
  const { at } = places.get(null);
  const always = everything.groups.map(({ box, ...group }) => ({ ...group, box: box && boxAt(box, at) }));
  const open = [...places].filter(([home]) => home !== null).map(([home, { box }]) => {
    const { module, operation } = everything.nodes[home];
    return { path: module, kind: operation, box, isOpen: true };
  });
  return [...always, ...open];
}

function boxAt([x, y, width, height], at) {
  const [[left, top], [right, bottom]] = [at([x, y]), at([x + width, y + height])];
  return [left, top, right - left, bottom - top];
}

// Curves

function edgesOf(seen, places, ids) {
  const counts = new Map(); // how many edges take each route
  const routesOf = (k) => everything.edges[k].routes.map(([home, place]) => ({ home, place, key: `${home} ${place}` }));
  for (const k of seen) for (const { key } of routesOf(k)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return seen.map((k) => {
    const { source, target, ...edge } = everything.edges[k];
    const routes = routesOf(k);
    // The number of an edge stands on a route that no other edge takes.
    const own = routes.findLast(({ key }) => counts.get(key) === 1) ?? routes.at(-1);
    return {
      ...edge, source: ids.get(source), target: ids.get(target),
      path: pathText(curvesThrough(routes, places, { source, target })), label: labelOn(own, places.get(own.home)),
    };
  });
}

// The routes of an edge, joined where they enter or leave a module.
function curvesThrough(routes, places, { source, target }) {
  const found = [];
  let before = null;
  routes.forEach(({ home, place }, i) => {
    const spot = places.get(home);
    const drawn = curvesOf(insides.get(home).routes[place][0]);
    const start = i === 0 ? everything.nodes[source] : null;
    const end = i === routes.length - 1 ? everything.nodes[target] : null;
    const curves = spot.isStretched ? anchored(drawn.flatMap((x) => partsOf(x)), spot.at, start, end)
      : drawn.map((curve) => curve.map(spot.at));
    if (found.length) {
      const [from, to] = [found.at(-1)[3], curves[0][0]];
      const isIn = home !== null && everything.nodes[home].home === before;
      const { left, size } = places.get(isIn ? home : before);
      const door = isIn ? [left, to[1]] : [left + size[0], from[1]];
      found.push(bend(from, door), bend(door, to));
    }
    found.push(...curves);
    before = home;
  });
  return found;
}

// Curves of a stretched layout. Nodes are moved but not stretched, so the ends of a curve are shifted to
// its nodes; points further away from the ends are shifted less.
function anchored(curves, at, start, end) {
  const shift = (node, [x, y]) => {
    const [to, there] = [at([x, y]), at([node.x, node.y])];
    return [there[0] + x - node.x - to[0], there[1] + y - node.y - to[1]];
  };
  const first = start ? shift(start, curves[0][0]) : [0, 0];
  const last = end ? shift(end, curves.at(-1)[3]) : [0, 0];
  return curves.map((curve, i) => curve.map((point, j) => {
    const share = (i + j / 3) / curves.length;
    return at(point).map((x, k) => x + first[k] * (1 - share) ** 2 + last[k] * share ** 2);
  }));
}

function bend([a, b], [c, d]) {
  return [[a, b], [(a + c) / 2, b], [(a + c) / 2, d], [c, d]];
}

// Splits a curve into parts: a curve of several parts keeps its place when it is stretched.
function partsOf(curve, count = PARTS) {
  if (count === 1) return [curve];
  const [part, rest] = split(curve, 1 / count);
  return [part, ...partsOf(rest, count - 1)];
}

// The place of the number of an edge: as far from its curve as in the layout of the module alone.
function labelOn({ home, place }, { at }) {
  const [path, label] = insides.get(home).routes[place];
  const points = curvesOf(path).flatMap((curve) => partsOf(curve, 8)).map(([start]) => start);
  const far = ([x, y]) => Math.hypot(x - label[0], y - label[1]);
  const near = points.reduce((best, point) => (far(point) < far(best) ? point : best));
  return at(near).map((x, i) => x + label[i] - near[i]);
}

// Opening and closing

// The mark at the corner of a module, which opens it in its place, or closes it.
function drawFold(path, x, y, parent) {
  const isOpen = opened.has(path);
  const mark = svg("g", { class: "fold", "data-path": path, transform: `translate(${x - 1} ${y - 1})` }, parent);
  svg("circle", { class: "reach", r: 18 }, mark);
  svg("circle", { r: 9.5 }, mark);
  svg("path", { d: isOpen ? "M-5 0H5" : "M-5 0H5M0-5V5" }, mark);
  explain(mark, () => `${isOpen ? "close" : "open"} ${short(path, 40)} (o)`);
  if (!isOpen) return; // the mark of a folded module is a part of its node, which is a button
  const name = `Close ${short(path, 40)}`;
  for (const [key, value] of Object.entries({ tabindex: 0, role: "button", "aria-expanded": true, "aria-label": name })) {
    mark.setAttribute(key, value);
  }
}

function turnFold(path) {
  pause();
  const all = stops[current].all;
  const hadFocus = Boolean(document.activeElement?.closest("#graph"));
  if (!opened.delete(path)) opened.add(path);
  showView();
  go(sameMoment(all));
  writeAddress();
  const node = data.nodes.find(({ module, role }) => module === path && (role === "module") === !opened.has(path))
    ?? data.nodes.find(({ module }) => module?.startsWith(path));
  if (hadFocus && node) views.nodes[node.id].g.focus();
  const box = data.groups.find((group) => group.path === path)?.box;
  if (box) look([box[0], box[1], box[0] + box[2], box[1] + box[3]]);
  byId("live").textContent = `${short(path, 40)} is ${opened.has(path) ? "open" : "folded"}`;
}

// The key o on a node: opens it, or closes the module around it.
function foldAt(node) {
  if (isFolded(node)) turnFold(node.module);
  else if (isInside(node)) turnFold(everything.nodes[node.home].module);
}

// Opens these modules and no others, as an address says.
function openOnly(paths) {
  const known = new Set(everything.nodes.filter((node) => node.role === "module").map((node) => node.module));
  const wanted = paths.filter((path) => known.has(path));
  if (wanted.length === opened.size && wanted.every((path) => opened.has(path))) return;
  opened.clear();
  wanted.forEach((path) => opened.add(path));
  showView();
}

function showView() {
  takeView();
  breakIntoRows();
  derive();
  [current, followed, offered, pointed, pinned, detailed] = [-1, -1, null, null, null, null];
  [active, card] = [[], null];
  drawGraph();
  drawPhases();
  drawMap();
  zoom = 0; // the scale was that of the old picture
  arrange();
}
