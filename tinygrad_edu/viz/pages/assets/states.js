// The data of the page, and how much of it is known at a stop: a step of a player, or a frame of a film.

const data = JSON.parse(byId("data").textContent);
const isFilm = data.kind === "film";
let [root, stops, uses, times, peaks, losses] = [];
let current = -1; // the stop that is shown

// Computes what follows from the nodes, edges and steps. `uses` holds, for each node, the edges that
// bring gradient to it.
function derive() {
  root = data.nodes.find((node) => node.role === "root");
  stops = isFilm ? data.frames : data.steps;
  uses = data.nodes.map(() => []);
  data.edges.forEach((edge, k) => {
    if (edge.contribution !== null) uses[edge.source].push(k);
  });
  times = isFilm ? null : timesOf(data.steps);
  if (!isFilm) uses.forEach((edges) => edges.sort((a, b) => times.arrival[a] - times.arrival[b]));
  peaks = data.nodes.map(peaksOf);
  losses = isFilm ? lossesOf(data.frames) : [];
  deriveStrides();
}

// For each node, the step that computes it and the step that starts the backward pass there; for each
// edge, the step in which its gradient arrives.
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

// What a node shows at a stop: its value and gradient, their tables, and how many of its uses have sent
// their part of the gradient.
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

// Whether some uses of a node have not sent their part of its gradient yet.
function isPart(state) {
  return state.gradient !== null && state.arrived < state.of;
}

function arrivedText(state) {
  return `${state.arrived} of its ${state.of} uses ${state.arrived === 1 ? "has sent its" : "have sent their"} part`;
}

// nan and inf are texts in the data, alone or in the summary of an array.
function isStrange(x) {
  return /\b(nan|inf)\b/.test(String(x));
}

// The steps that a node takes part in: it is given or computed, the backward pass starts there, or
// gradient arrives.
function stepsOf({ id }) {
  const at = [times.birth[id], times.seed[id], ...uses[id].map((k) => times.arrival[k])];
  return at.filter(Number.isFinite).sort((a, b) => a - b);
}

function soFar(step, node) {
  if (step.total === null) return "a part";
  return node.size !== 1 ? `norm ${number(step.total)}` : step.total;
}

function frameOf(node, frame) {
  const table = (rows, like) => (rows ? { rows, exact: like?.exact ?? true } : null);
  return {
    value: frame.value[node.id], values: table(frame.values[node.id], node.values),
    gradient: frame.gradient[node.id], gradients: table(frame.gradients[node.id], node.gradients),
    arrived: 0, of: 0,
  };
}

// The largest absolute values that a node shows at any stop: the ends of its colour scales.
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
  return frames.map((frame) => (root.size === 1 ? real(frame.value[root.id]) : NaN));
}

function kindOf(node) {
  return node.operation || node.role;
}

function textOf(stop) {
  if (!isFilm) return data.steps[stop].text;
  const loss = root.size === 1 ? `, loss ${number(losses[stop])}` : "";
  return `frame ${stop + 1} of ${stops.length}${loss}`;
}

function colourOf(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
