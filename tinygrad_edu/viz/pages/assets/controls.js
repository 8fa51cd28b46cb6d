// Moving from stop to stop: by buttons, by keys, and by playing.

const PAUSE = isFilm ? 200 : 1600; // milliseconds from stop to stop
let timer = null; // not null while the page plays

function go(stop) {
  stop = Math.max(0, Math.min(stops.length - 1, stop));
  if (stop === current) return;
  if (current !== -1) writeAddress();
  current = stop;
  redraw();
  follow();
  animate();
  byId("live").textContent = isStride() ? strideText() : textOf(current);
  document.dispatchEvent(new CustomEvent("step", { detail: current }));
}

function redraw() {
  findActive();
  data.nodes.forEach(showNode);
  data.edges.forEach(showEdge);
  showNow();
  showControls();
  showDetails();
  retell();
  offer(data.nodes[isFilm ? 0 : stops[current].to ?? 0]);
}

function showControls() {
  const [isFirst, isLast] = [current === 0, current === stops.length - 1];
  byId("first").disabled = byId("back").disabled = isFirst;
  byId("next").disabled = byId("last").disabled = isLast;
  showTime();
  byId("count").textContent = `${current + 1} / ${stops.length}`;
}

function play() {
  if (timer !== null) return;
  if (current === stops.length - 1) go(0);
  schedule();
  showPlaying();
}

function schedule() {
  timer = setTimeout(() => {
    go(onward());
    if (current < stops.length - 1) schedule();
    else pause();
  }, PAUSE / Number(byId("speed").value));
}

function pause() {
  clearTimeout(timer);
  timer = null;
  showPlaying();
}

function toggle() {
  if (timer === null) play();
  else pause();
}

function showPlaying() {
  byId("play").classList.toggle("playing", timer !== null);
  byId("play").setAttribute("aria-label", timer === null ? "Play" : "Pause");
}

// Goes to a stop by hand: playing ends.
function turn(stop) {
  pause();
  go(stop);
}

function onKey(event) {
  const moves = {
    ArrowRight: () => turn(onward()), ArrowLeft: () => turn(backward()),
    Home: () => turn(0), End: () => turn(stops.length - 1), " ": toggle,
    "+": () => scaleTo(zoom * 1.25), "-": () => scaleTo(zoom / 1.25), 0: showWhole,
  };
  const { key, target } = event;
  const fold = target.closest(".fold");
  if (fold && ["Enter", " ", "o"].includes(key)) {
    event.preventDefault();
    turnFold(fold.dataset.path);
    return;
  }
  if (target.closest(".node") && onNodeKey(event)) return;
  const isTyping = target.closest("input:not([type=range]), select, textarea");
  const isPress = key === " " && target.closest("button");
  if (!(key in moves) || isTyping || isPress || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  moves[key]();
}

function start() {
  if (everything) takeView();
  breakIntoRows();
  derive();
  drawGraph();
  const clicks = {
    first: () => turn(0), back: () => turn(backward()), play: toggle,
    next: () => turn(onward()), last: () => turn(stops.length - 1),
    smaller: () => scaleTo(zoom / 1.25), larger: () => scaleTo(zoom * 1.25), fit: showWhole,
  };
  for (const [id, onClick] of Object.entries(clicks)) byId(id).addEventListener("click", onClick);
  drawTimeline();
  offerStrides();
  window.addEventListener("hashchange", () => turn(addressed() ?? current));
  document.addEventListener("keydown", onKey);
  listenToHands();
  drawMap();
  showFocus();
  arrange();
  go(addressed() ?? 0);
}

window.player = {
  data, stateOf, go, play, pause, redraw,
  get steps() { return stops; },
  get step() { return current; },
  get isPlaying() { return timer !== null; },
};
start();
// The page around a frame may start playing: docs/site/static/frames.js does.
window.addEventListener("message", ({ data }) => {
  if (data?.play === true) play();
});
