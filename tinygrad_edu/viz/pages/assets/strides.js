// The length of a stride: one step, all steps at a node, or all steps in a layer.

const KEYS = { // steps in a row with the same key are one stride
  step: (_, i) => i,
  node: ({ phase, node }) => `${phase} ${node}`,
  layer: ({ phase, node }) => `${phase} ${layerOf(node)}`,
};
let layers = []; // the paths of all modules below the model itself
let ends = {}; // the last steps of the strides
let active = []; // the steps of the stride that ends at the stop that is shown

function deriveStrides() {
  const folded = data.nodes.filter((node) => node.role === "module").map((node) => node.module);
  layers = [...data.groups.map((group) => group.path), ...folded].filter((path) => path !== "");
  ends = Object.fromEntries(Object.entries(KEYS).map(([name, keyOf]) => [name, isFilm ? [] : endsOf(keyOf)]));
}

function endsOf(keyOf) {
  const keys = data.steps.map(keyOf);
  return keys.flatMap((key, i) => (key === keys[i + 1] ? [] : [i]));
}

// The outermost module, below the model itself, that a node stands in.
function layerOf(id) {
  const module = data.nodes[id]?.module ?? "";
  const around = layers.filter((path) => module === path || module.startsWith(`${path}.`));
  return around.sort((a, b) => a.length - b.length)[0] ?? "";
}

function onward() {
  return isFilm ? current + 1 : ends[byId("stride").value].find((i) => i > current) ?? stops.length - 1;
}

function backward() {
  return isFilm ? current - 1 : ends[byId("stride").value].findLast((i) => i < current) ?? 0;
}

function findActive() {
  if (!isFilm) active = stops.slice((ends[byId("stride").value].findLast((i) => i < current) ?? -1) + 1, current + 1);
}

function isStride() {
  return active.length > 1;
}

// The steps and the place of a stride, in words.
function strideText() {
  const [first] = active;
  const place = byId("stride").value === "node" ? data.nodes[first.node].title : layerOf(first.node);
  const where = place ? short(place, 24) : "outside the layers";
  return `steps ${current + 2 - active.length} to ${current + 1} of ${stops.length}, ${where}`;
}

function offerStrides() {
  const select = byId("stride");
  if (!layers.length) select.querySelector("[value=layer]").remove();
  select.closest("label").hidden = data.kind !== "play";
  select.addEventListener("change", () => { pause(); redraw(); follow(); animate(); });
}
