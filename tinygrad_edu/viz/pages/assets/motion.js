// What moves along the edges of a step.

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
