// The page on paper: the whole graph with all its numbers, and the steps written out.

const paper = window.matchMedia("print");
let left = null; // the stop to return to after printing

function layOut() {
  if (left !== null) return;
  left = current;
  if (!isFilm) {
    current = stops.length - 1;
    redraw();
    writeSolution();
  }
}

function takeBack() {
  if (left === null) return;
  [current, left] = [left, null];
  byId("solution").replaceChildren();
  redraw();
}

// Every step as a line. A step without a formula, such as the question of a quiz, is written in words.
function writeSolution() {
  const titles = { start: "Given", forward: "Forward", backward: "Backward", seed: "Backward" };
  let list = null;
  for (const step of stops) {
    const title = step.question ? "Questions" : titles[step.phase];
    if (list?.previousSibling.textContent !== title) {
      html("h2", "", byId("solution"), title);
      list = html("ol", "", byId("solution"));
    }
    const line = html("li", "", list);
    if (step.left) writeEquation(step, line);
    else html("p", "", line, step.phase === "start" ? givenText() : step.text);
    if (step.question?.choices) writeChoices(step.question.choices, line);
  }
}

function writeChoices(choices, parent) {
  const list = html("ol", "choices", parent);
  choices.forEach((choice) => html("li", "", list, choice));
}

function writeEquation(step, parent) {
  const line = html("div", "written", parent);
  math(step.left, "", line);
  const sides = [...new Set([step.symbols, step.numbers, step.result].filter(Boolean))];
  sides.forEach((side, i) => {
    html("span", "", line, i === 0 && step.phase === "backward" ? "+=" : "=");
    math(side, "", line);
  });
  if (step.uses > 1) html("span", "", line, `(use ${step.use} of ${step.uses}${sumOf(step)})`);
}

function sumOf(step) {
  if (step.total === null) return "";
  const size = data.nodes[step.to].size === 1 ? "" : "norm ";
  return `, ${step.use < step.uses ? "so far" : "in all"} ${size}${number(step.total)}`;
}

function givenText() {
  const leaves = data.nodes.filter((node) => !node.operation && (node.role !== "constant" || node.values));
  return leaves.map((node) => `${short(node.title, 60)} = ${number(node.value)}`).join(", ");
}

window.addEventListener("beforeprint", layOut);
window.addEventListener("afterprint", takeBack);
paper.addEventListener("change", () => (paper.matches ? layOut() : takeBack()));
