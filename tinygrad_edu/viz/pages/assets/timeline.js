// The steps as a line of time: its phases in their colours, a name under the pointer, a place in the
// address of the page.

const slider = byId("slider");
const ADDRESS = isFilm ? "frame" : "step";
const THUMB = 18; // pixels
let writing = null;

function drawTimeline() {
  drawPhases();
  explain(slider, (event) => {
    const at = stopUnder(event);
    return `${at + 1}: ${short(textOf(at), 120)}`;
  });
  slider.addEventListener("input", () => turn(Number(slider.value)));
}

function drawPhases() {
  slider.max = stops.length - 1;
  const seed = isFilm ? -1 : stops.findIndex((step) => step.phase === "seed");
  byId("phases").replaceChildren();
  if (seed > 0) {
    byId("timeline").style.setProperty("--seed", `${(100 * seed) / (stops.length - 1)}%`);
    html("i", "seed", byId("phases"));
  }
}

function stopUnder(event) {
  const { left, width } = slider.getBoundingClientRect();
  const share = (event.clientX - left - THUMB / 2) / (width - THUMB);
  return Math.round(Math.max(0, Math.min(1, share)) * (stops.length - 1));
}

function showTime() {
  slider.value = current;
  slider.setAttribute("aria-valuetext", textOf(current));
  byId("timeline").style.setProperty("--done", `${(100 * current) / Math.max(1, stops.length - 1)}%`);
}

// #step=14 is what the page counts as step 14, #step=14&open=layers.0 where that module is open. A quiz
// has no such addresses: it starts where it asks.
function addressed() {
  if (data.kind === "quiz") return null;
  const found = new RegExp(`^#${ADDRESS}=(\\d+)(?:&open=(.*))?$`).exec(window.location.hash);
  if (found && everything) openOnly((found[2] ?? "").split(",").map(decoded));
  return found ? Number(found[1]) - 1 : null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // no address of this page
  }
}

function address() {
  const paths = [...opened].map(encodeURIComponent).join(",");
  return `#${ADDRESS}=${current + 1}${paths && `&open=${paths}`}`;
}

// Only once the steps come to rest: browsers refuse many addresses in a second, and frames of a notebook
// may have none.
function writeAddress() {
  if (data.kind === "quiz") return;
  clearTimeout(writing);
  writing = setTimeout(() => {
    try {
      window.history.replaceState(null, "", address());
    } catch {
      writing = null;
    }
  }, 300);
}
