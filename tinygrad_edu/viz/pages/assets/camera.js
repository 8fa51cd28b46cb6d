// What part of the graph is in view.

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
let zoom = 1;

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
