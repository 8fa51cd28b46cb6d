// What part of the graph is in view.

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const ROOM = 28; // pixels around what is going on
let wanted = 1; // the scale that was asked for, and
let zoom = 0; // the scale on show: less where both ends of an edge would not be in view

function scaleTo(scale) {
  wanted = Math.max(Math.min(0.1, whole()), Math.min(3, scale));
  follow();
}

function whole() {
  return Math.min(stage.clientWidth / data.size[0], stage.clientHeight / data.size[1]);
}

function follow() {
  const active = activeBox();
  if (!active) {
    resize(wanted);
    return;
  }
  const [left, top, right, bottom] = active;
  const fitting = Math.min(
    (stage.clientWidth - 2 * ROOM) / (right - left), (stage.clientHeight - 2 * ROOM) / (bottom - top),
  );
  // A few scales only, so that a graph does not breathe from step to step.
  const halvings = Math.max(0, Math.ceil(2 * Math.log2(wanted / fitting)));
  resize(wanted * 2 ** (-halvings / 2));
  const [x, y] = [((left + right) / 2) * zoom, ((top + bottom) / 2) * zoom];
  stage.scrollTo({
    left: x - stage.clientWidth / 2, top: y - stage.clientHeight / 2,
    behavior: still.matches ? "instant" : "smooth",
  });
}

function resize(scale) {
  if (zoom === scale) return;
  zoom = scale;
  // A transform, since texts of another size would all be measured again.
  views.picture.style.transform = `scale(${zoom})`;
  views.world.style.width = `${data.size[0] * zoom}px`;
  views.world.style.height = `${data.size[1] * zoom}px`;
}

// Around all nodes that the current step is about: left, top, right, bottom.
function activeBox() {
  const step = isFilm ? undefined : stops[current];
  if (!step || step.to === null) return null;
  const ends = step.edges.flatMap((k) => [data.edges[k].source, data.edges[k].target]);
  const nodes = [step.to, ...ends].map((id) => data.nodes[id]);
  return [
    Math.min(...nodes.map(({ x, w }) => x - w / 2)), Math.min(...nodes.map(({ y, h }) => y - h / 2)),
    Math.max(...nodes.map(({ x, w }) => x + w / 2)), Math.max(...nodes.map(({ y, h }) => y + h / 2)),
  ];
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
