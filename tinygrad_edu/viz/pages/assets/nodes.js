// Mouse and keys on nodes: a click or the Enter key goes to the steps of a node, arrow keys move between
// nodes. The Tab key reaches one node of the graph.

let offered = null; // the node that the Tab key reaches

function offer(node) {
  if (document.activeElement?.closest(".node") && document.activeElement !== views.nodes[node.id].g) return;
  if (offered) views.nodes[offered.id].g.setAttribute("tabindex", -1);
  offered = node;
  views.nodes[node.id].g.setAttribute("tabindex", 0);
}

function enter(node) {
  offer(node);
  pointed = null; // even if the pointer lies on another one
  pin(node);
}

// Goes to the next step of this node; after its last step, to its first.
function visit(node) {
  if (isFilm) return;
  const steps = stepsOf(node);
  turn(steps.find((i) => i > current) ?? steps[0]);
}

function onNodeKey(event) {
  const node = data.nodes[Number(event.target.closest(".node").id.slice("node-".length))];
  const moves = {
    ArrowRight: () => step(node, 1, 0), ArrowLeft: () => step(node, -1, 0),
    ArrowDown: () => step(node, 0, 1), ArrowUp: () => step(node, 0, -1),
    o: () => foldAt(node), Enter: () => visit(node), " ": () => visit(node), Escape: () => stage.focus({ preventScroll: true }),
  };
  if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return false;
  event.preventDefault();
  moves[event.key]();
  return true;
}

// Moves the focus to the nearest node in a direction. Distance across the direction counts twice.
function step(from, dx, dy) {
  let [best, least] = [null, Infinity];
  for (const node of data.nodes) {
    const [x, y] = [node.x - from.x, node.y - from.y];
    const along = x * dx + y * dy;
    const distance = along + 2 * Math.abs(x * dy - y * dx);
    if (along > 1 && distance < least) [best, least] = [node, distance];
  }
  if (best) views.nodes[best.id].g.focus();
}

function onClick(event) {
  if (hasDragged) return;
  const fold = event.target.closest(".fold");
  if (fold) {
    turnFold(fold.dataset.path);
    return;
  }
  const id = event.target.closest(".node")?.id.slice("node-".length);
  const node = id === undefined ? null : data.nodes[Number(id)];
  stage.focus({ preventScroll: true }); // the arrow keys go on stepping
  pin(node);
  if (node) visit(node);
}
