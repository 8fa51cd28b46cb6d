// A step, shown in the graph: its formula beside the edge, and numbers that move along it.

const RUN = 1300; // milliseconds that the numbers of a step move
const SIDES = [[0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1], [1, 0], [-1, 0]];
let card = null; // the element with the formula
let anchor = null; // its place in the graph: x, y

function animate() {
  byId("overlay").replaceChildren();
  views.picture.querySelectorAll(".dot").forEach((dot) => dot.remove());
  card = anchor = null;
  if (isFilm) return;
  const step = stops[current];
  if (step.left && !isStride()) showCard(step);
  if (still.matches) return;
  if (isStride()) {
    active.forEach(({ edges, phase }) => edges.forEach((k) => sendDot(k, phase === "backward")));
    return;
  }
  if (step.phase === "backward" && !data.nodes[step.to].values) sendNumbers(step);
  else step.edges.forEach((k) => sendDot(k, step.phase === "backward"));
}

// The formula beside the edge that is active, or the node that is computed.
function showCard(step) {
  const isBack = step.phase === "backward";
  card = html("div", step.phase === "forward" ? "card" : "card back", byId("overlay"));
  card.setAttribute("aria-hidden", true); // the panel says the same
  const sides = [...new Set([step.symbols, step.numbers, step.result].filter(Boolean))];
  sides.forEach((side, i) => {
    if (i > 0) html("span", "", card, "=");
    math(side, "", card);
  });
  const node = data.nodes[step.to];
  anchor = isBack ? data.edges[step.edges[0]].label : [node.x, node.y];
  placeCard();
}

// Puts the formula near its place, where it hides the least of the graph.
function placeCard() {
  if (!card) return;
  const [width, height] = [card.offsetWidth, card.offsetHeight];
  const [x, y] = onStage(anchor);
  const step = stops[current];
  const taken = data.nodes.map(({ x, y, w, h, id }) => {
    const [left, top] = onStage([x - w / 2, y - h / 2]);
    const weight = id === step.to || id === step.node || step.reads?.includes(id) ? 4 : 1;
    return [left, top, left + w * zoom, top + h * zoom, weight];
  }).filter(([left, top, right, bottom]) => (
    right > 0 && bottom > 0 && left < stage.clientWidth && top < stage.clientHeight
  ));
  let [best, least] = [[0, 0], Infinity];
  for (const distance of [12, 34, 60, 100]) {
    for (const [dx, dy] of SIDES) {
      const left = held(x + dx * (width / 2 + distance) - width / 2, stage.clientWidth - width);
      const top = held(y + dy * (height / 2 + distance) - height / 2, stage.clientHeight - height);
      const cost = 8 * distance + hiddenBy([left, top, left + width, top + height], taken);
      if (cost < least) [best, least] = [[left, top], cost];
    }
  }
  card.style.left = `${best[0]}px`;
  card.style.top = `${best[1]}px`;
}

function held(x, largest) {
  return Math.max(4, Math.min(largest - 4, x));
}

function hiddenBy([left, top, right, bottom], taken) {
  let area = 0;
  for (const [l, t, r, b, weight] of taken) {
    area += weight * Math.max(0, Math.min(right, r) - Math.max(left, l)) * Math.max(0, Math.min(bottom, b) - Math.max(top, t));
  }
  return area;
}

// The incoming gradient and the values that the rule uses move from their nodes to the edge. Then the
// contribution moves from the edge to the node that it is for.
function sendNumbers(step) {
  const [k] = step.edges;
  const { source, target, label, contribution } = data.edges[k];
  const middleOf = (id) => [data.nodes[id].x, data.nodes[id].y];
  const half = RUN / 2 / Number(byId("speed").value);
  send(number(data.nodes[target].gradient), "back", middleOf(target), label, half, 0);
  for (const id of step.reads) send(number(data.nodes[id].value), "", middleOf(id), label, half, 0);
  send(number(contribution), "back", label, middleOf(source), half, half);
}

function send(text, className, from, to, duration, delay) {
  const chip = html("span", `chip ${className}`, byId("overlay"), text);
  chip.setAttribute("aria-hidden", true);
  const [start, end] = [from, to].map(onStage).map(([x, y]) => `${x}px ${y}px`);
  const run = chip.animate(
    { translate: [start, end], opacity: [1, 1] },
    { duration, delay, easing: "ease-in-out", fill: "backwards" },
  );
  if (delay) chip.animate({ visibility: ["hidden", "hidden"] }, { duration: delay });
  run.onfinish = () => chip.remove();
}

// For an array, a dot moves along the edge.
function sendDot(k, isBack) {
  const dot = svg("circle", { class: isBack ? "dot back" : "dot", r: 6 }, views.picture);
  dot.style.offsetPath = `path("${data.edges[k].path}")`;
  const run = dot.animate(
    { offsetDistance: isBack ? ["100%", "0%"] : ["0%", "100%"] },
    { duration: 700 / Number(byId("speed").value), easing: "ease-in-out" },
  );
  run.onfinish = () => dot.remove();
}
