// The steps as a line of time: its phases in their colours, a name under the pointer, a place in the
// address of the page.

const slider = byId("slider");
const ADDRESS = isFilm ? "frame" : "step";
const THUMB = 18; // pixels
let writing = null;

function drawTimeline() {
  slider.max = stops.length - 1;
  const seed = isFilm ? -1 : stops.findIndex((step) => step.phase === "seed");
  if (seed > 0) {
    byId("timeline").style.setProperty("--seed", `${(100 * seed) / (stops.length - 1)}%`);
    html("i", "seed", byId("phases"));
  }
  explain(slider, (event) => {
    const at = stopUnder(event);
    return `${at + 1}: ${short(textOf(at), 120)}`;
  });
  slider.addEventListener("input", () => turn(Number(slider.value)));
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

// #step=14 is what the page counts as step 14. A quiz has no such addresses: it starts where it asks.
function addressed() {
  if (data.kind === "quiz") return null;
  const found = new RegExp(`^#${ADDRESS}=(\\d+)$`).exec(window.location.hash);
  return found ? Number(found[1]) - 1 : null;
}

// Only once the steps come to rest: browsers refuse many addresses in a second, and frames of a notebook
// may have none.
function writeAddress() {
  if (data.kind === "quiz") return;
  clearTimeout(writing);
  writing = setTimeout(() => {
    try {
      window.history.replaceState(null, "", `#${ADDRESS}=${current + 1}`);
    } catch {
      writing = null;
    }
  }, 300);
}
