// Which modules are folded. Only a page whose data has the inside of its modules can open them (views.js).

const everything = data.insides ? { nodes: data.nodes, edges: data.edges, steps: data.steps, groups: data.groups } : null;
const opened = new Set(); // the paths of the modules that are open

function isFolded(node) {
  return Boolean(everything) && node.role === "module" && !opened.has(node.module);
}

function isInside(node) {
  return (node.home ?? null) !== null;
}
