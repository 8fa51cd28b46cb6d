// What part of the graph is in view.

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const ROOM = 28; // pixels around what is going on
const LARGEST = 1.6; // no graph is made larger of itself
const READABLE = isFilm ? 0.5 : 0.6; // a graph that is smaller as a whole is shown in part
const CALM = 5; // steps
let followed = -1; // the step that was brought into view last
let roomy = 0; // so many steps in a row had room for a larger scale
let wanted = 1; // the scale that was asked for, and
let zoom = 0; // the scale on show: less where both ends of an edge would not be in view
let aim = [0, 0]; // where the stage is being scrolled to
let isFitted = true; // nobody has chosen a scale by hand

// The panel stands below a wide graph, beside a high one, wherever the graph gets larger. Where it is
// shown in part, the panel stands beside it.
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

// What the graph has with the panel beside it, and below it where there may be one.
function rooms() {
  const frame = document.querySelector("main");
  frame.classList.toggle("film", isFilm); // its panel holds no more than a curve
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

// By hand, about a point of the window, or about what is going on.
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

// The stage was moved by hand: what lies over it is placed anew.
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
  // A frame that is not laid out yet has no room: it is asked again as soon as it has a size.
  const room = [stage.clientWidth, stage.clientHeight].map((side) => Math.max(1, side - 2 * ROOM));
  const fitting = Math.min(room[0] / (right - left), room[1] / (bottom - top));
  // A few scales only. A larger one waits until several steps in a row have room for it: a graph that
  // breathes from step to step makes one seasick.
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

// Where a point of the graph lies on the stage, once it has come to rest: a graph that is smaller than
// the stage stands in its middle, a larger one is scrolled as far as it goes.
function onStage([x, y]) {
  const room = [stage.clientWidth, stage.clientHeight];
  return [x, y].map((at, i) => {
    const spare = room[i] - data.size[i] * zoom;
    return at * zoom + (spare > 0 ? spare / 2 : Math.max(spare, -Math.max(0, aim[i])));
  });
}

// What lies over the graph moves with it.
function slide() {
  const [x, y] = onStage([0, 0]);
  const [left, top] = [stage.scrollLeft, stage.scrollTop];
  const moved = [left + Math.min(0, x), top + Math.min(0, y)].map((by) => `${-by}px`);
  byId("overlay").style.translate = moved.join(" ");
}

function resize(scale) {
  if (zoom === scale) return;
  zoom = scale;
  // A transform, since texts of another size would all be measured again.
  views.picture.style.transform = `scale(${zoom})`;
  views.world.style.width = `${data.size[0] * zoom}px`;
  views.world.style.height = `${data.size[1] * zoom}px`;
  showMap();
}

// Around all nodes that the active steps are about: left, top, right, bottom.
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
