// The timeline of the steps: its colours show the phases, a tooltip names the step under the pointer, and
// the address of the page holds the current step.

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

// #step=14 is step 14 as the page counts, from 1; #step=14&open=layers.0 also opens that module. A quiz
// has no such addresses: it starts at its first question.
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
    return ""; // not an address of this page
  }
}

function address() {
  const paths = [...opened].map(encodeURIComponent).join(",");
  return `#${ADDRESS}=${current + 1}${paths && `&open=${paths}`}`;
}

// Waits until the steps have stopped: browsers refuse many changes of the address in a second. Frames of
// a notebook may refuse all of them.
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
