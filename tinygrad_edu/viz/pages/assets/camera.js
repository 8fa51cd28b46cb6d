// The part of the graph that is in view, and its scale.

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const ROOM = 28; // pixels around the nodes of the current step
const LARGEST = 1.6; // the largest scale that is chosen automatically
const READABLE = isFilm ? 0.5 : 0.6; // if the whole graph needs a smaller scale, only a part is shown
const CALM = 5; // steps
let followed = -1; // the last step that was brought into view
let roomy = 0; // how many steps in a row had room for a larger scale
let wanted = 1; // the scale that was asked for
let zoom = 0; // the current scale: less than `wanted` where an edge would not fit into view
let aim = [0, 0]; // the scroll position that the stage moves to
let isFitted = true; // whether the scale is automatic: false once the reader changes it

// The panel stands below or beside the graph: where the graph gets larger. It stands beside a graph that
// is shown in part.
function arrange() {
  const [beside, below = 0] = rooms().map((room) => Math.min(LARGEST, scaleIn(room, data.size)));
  document.querySelector("main").classList.toggle("below", below > 1.02 * beside && below >= READABLE);
  if (isFitted) {
    const scale = whole();
    wanted = scale < READABLE ? 0.8 : Math.min(LARGEST, scale);
    resize(wanted);
  }
  follow();
  placeCard();
  showMap();
}

// The room for the graph with the panel beside it and, in a wide window, with the panel below it.
function rooms() {
  const frame = document.querySelector("main");
  frame.classList.toggle("film", isFilm); // its panel holds only a curve
  return (innerWidth > 760 ? [false, true] : [false]).map((isBelow) => {
    frame.classList.toggle("below", isBelow);
    return [stage.clientWidth, stage.clientHeight];
  });
}

function scaleIn(room, size) {
  return Math.min(room[0] / size[0], room[1] / size[1]);
}

function whole() {
  return scaleIn([stage.clientWidth, stage.clientHeight], data.size);
}

// Changes the scale by hand. The point `at` stays in its place; without it, the current step is centred.
function scaleTo(scale, at) {
  isFitted = false;
  wanted = Math.max(Math.min(0.1, whole()), Math.min(3, scale));
  const before = views.picture.getBoundingClientRect();
  const factor = wanted / zoom;
  resize(wanted);
  if (!at) {
    look(activeBox());
    placeCard();
    return;
  }
  const after = views.picture.getBoundingClientRect();
  stage.scrollBy({
    left: (at.clientX - before.left) * factor - (at.clientX - after.left),
    top: (at.clientY - before.top) * factor - (at.clientY - after.top), behavior: "instant",
  });
  rest();
}

// After the stage was moved by hand: place the formula and the numbers over it again.
function rest() {
  aim = [stage.scrollLeft, stage.scrollTop];
  placeCard();
  slide();
}

function showWhole() {
  scaleTo(whole());
  isFitted = wanted >= READABLE;
}

function follow() {
  const active = activeBox();
  if (!active) {
    resize(wanted);
    return;
  }
  const [left, top, right, bottom] = active;
  // A frame that is not laid out yet has no room: this runs again as soon as it has a size.
  const room = [stage.clientWidth, stage.clientHeight].map((side) => Math.max(1, side - 2 * ROOM));
  const fitting = Math.min(room[0] / (right - left), room[1] / (bottom - top));
  // Only a few scales are used, and a larger one waits until several steps in a row have room for it: a
  // graph that changes its size at each step is unpleasant to watch.
  const halvings = wanted <= whole() ? 0 : Math.max(0, Math.ceil(2 * Math.log2(wanted / fitting)));
  const scale = wanted * 2 ** (-halvings / 2);
  const isNext = Math.abs(current - followed) === 1;
  [followed, roomy] = [current, scale > zoom ? roomy + 1 : 0];
  if (scale < zoom || !isNext || roomy >= CALM) resize(scale);
  look(active);
}

function look(active) {
  if (!active) return;
  const [left, top, right, bottom] = active;
  aim = [((left + right) / 2) * zoom - stage.clientWidth / 2, ((top + bottom) / 2) * zoom - stage.clientHeight / 2];
  stage.scrollTo({ left: aim[0], top: aim[1], behavior: still.matches ? "instant" : "smooth" });
}

// The place of a point of the graph on the stage, after scrolling has ended. A graph that is smaller than
// the stage is centred there.
function onStage([x, y]) {
  const room = [stage.clientWidth, stage.clientHeight];
  return [x, y].map((at, i) => {
    const spare = room[i] - data.size[i] * zoom;
    return at * zoom + (spare > 0 ? spare / 2 : Math.max(spare, -Math.max(0, aim[i])));
  });
}

// The overlay moves with the graph.
function slide() {
  const [x, y] = onStage([0, 0]);
  const [left, top] = [stage.scrollLeft, stage.scrollTop];
  const moved = [left + Math.min(0, x), top + Math.min(0, y)].map((by) => `${-by}px`);
  byId("overlay").style.translate = moved.join(" ");
}

function resize(scale) {
  if (zoom === scale) return;
  zoom = scale;
  // A transform is fast: with another size of the picture the browser would measure all texts again.
  views.picture.style.transform = `scale(${zoom})`;
  views.world.style.width = `${data.size[0] * zoom}px`;
  views.world.style.height = `${data.size[1] * zoom}px`;
  showMap();
}

// The box around all nodes of the active steps: left, top, right, bottom.
function activeBox() {
  const about = active.filter((step) => step.to !== null);
  if (!about.length) return null;
  const nodes = about.flatMap((step) => {
    const ends = step.edges.flatMap((k) => [data.edges[k].source, data.edges[k].target]);
    return [step.to, ...ends, ...(step.reads ?? [])].map((id) => data.nodes[id]);
  });
  return [
    Math.min(...nodes.map(({ x, w }) => x - w / 2)), Math.min(...nodes.map(({ y, h }) => y - h / 2)),
    Math.max(...nodes.map(({ x, w }) => x + w / 2)), Math.max(...nodes.map(({ y, h }) => y + h / 2)),
  ];
}
