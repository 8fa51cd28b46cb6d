// Mouse and touch on the graph: a mouse drags it, the wheel with Ctrl (or a pinch) zooms. The plain wheel
// and a finger scroll as usual, so that they still scroll the page around a frame.

const map = byId("map");
let grip = null; // the last place of a mouse that drags the graph
let hasDragged = false;
let touch = null; // the event with which a finger came down

function onGrip(event) {
  hasDragged = false;
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  grip = { x: event.clientX, y: event.clientY };
}

function onDrag(event) {
  if (!grip) return;
  const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
  if (!hasDragged && Math.hypot(dx, dy) < 4) return; // a click of a hand that is not steady
  hasDragged = true;
  grip = { x: event.clientX, y: event.clientY };
  stage.scrollBy({ left: -dx, top: -dy, behavior: "instant" });
}

function onRelease() {
  grip = null;
}

function onWheel(event) {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  scaleTo(zoom * 2 ** (-Math.max(-100, Math.min(100, event.deltaY)) / 200), event);
}

// A swipe to the side over the panel, or over a graph that is wholly in view, goes to another step.
function onTouch(event) {
  if (event.pointerType !== "touch" || event.target.closest(".equation, input")) return;
  touch = event;
}

function onLift(event) {
  if (!touch || event.pointerId !== touch.pointerId) return;
  const [dx, dy] = [event.clientX - touch.clientX, event.clientY - touch.clientY];
  const isFree = !touch.target.closest("#stage") || stage.scrollWidth <= stage.clientWidth + 2;
  touch = null;
  if (!isFree || Math.abs(dx) < 50 || Math.abs(dx) < 2 * Math.abs(dy)) return;
  hasDragged = true; // no click
  turn(dx < 0 ? onward() : backward());
}

// A small map of a graph that is only partly in view, with a frame around the visible part.
function drawMap() {
  const [width, height] = data.size;
  map.replaceChildren();
  map.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const scale = Math.min(200 / width, 130 / height);
  map.style.width = `${Math.max(30, width * scale)}px`;
  map.style.height = `${Math.max(30, height * scale)}px`;
  const boxes = data.nodes.map(({ x, y, w, h }) => `M${x - w / 2} ${y - h / 2}h${w}v${h}h${-w}z`);
  svg("path", { class: "all", d: boxes.join("") }, map);
  views.here = svg("rect", { class: "here" }, map);
  views.frame = svg("rect", { class: "view" }, map);
}

function showMap() {
  if (!views.frame) return;
  const isPart = stage.scrollWidth > stage.clientWidth + 2 || stage.scrollHeight > stage.clientHeight + 2;
  map.classList.toggle("needed", isPart);
  document.querySelector("main").classList.toggle("whole", stage.scrollWidth <= stage.clientWidth + 2);
  if (!isPart) return;
  const view = { x: stage.scrollLeft, y: stage.scrollTop, width: stage.clientWidth, height: stage.clientHeight };
  for (const [name, x] of Object.entries(view)) views.frame.setAttribute(name, x / zoom);
  const [left, top, right, bottom] = activeBox() ?? [0, 0, 0, 0];
  const here = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, x] of Object.entries(here)) views.here.setAttribute(name, x);
  map.classList.toggle("left", (right * zoom - view.x) > view.width - 230 && bottom * zoom - view.y > view.height - 160);
}

function onMap(event) {
  if (event.type === "pointermove" && event.buttons !== 1) return;
  const { left, top, width, height } = map.getBoundingClientRect();
  stage.scrollTo({
    left: ((event.clientX - left) / width) * data.size[0] * zoom - stage.clientWidth / 2,
    top: ((event.clientY - top) / height) * data.size[1] * zoom - stage.clientHeight / 2, behavior: "instant",
  });
}

// In a frame of a notebook, the page gets keys only after a click: it tells the reader so.
function showFocus() {
  byId("unfocused").hidden = document.hasFocus();
}

function listenToHands() {
  stage.addEventListener("mousedown", (event) => event.preventDefault()); // a click gives no focus
  stage.addEventListener("pointerdown", onGrip);
  window.addEventListener("pointermove", onDrag);
  window.addEventListener("pointerup", onRelease);
  stage.addEventListener("wheel", onWheel, { passive: false });
  stage.addEventListener("scroll", () => {
    showMap();
    slide();
  });
  stage.addEventListener("click", onClick);
  document.querySelector("main").addEventListener("pointerdown", onTouch);
  window.addEventListener("pointerup", onLift);
  for (const type of ["pointerdown", "pointermove"]) map.addEventListener(type, onMap);
  window.addEventListener("focus", showFocus);
  window.addEventListener("blur", showFocus);
  new ResizeObserver(arrange).observe(document.querySelector("main"));
}
