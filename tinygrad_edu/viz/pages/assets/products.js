// A matrix product, with the left operand beside the result and the right one above it. Pointing at an
// element highlights the row and the column that make it. The gradients of both operands are matrix
// products too.

const PRODUCTS = ["matmul", "linear"];

function showProduct(step, parent) {
  const product = productOf(step);
  if (!product) return false;
  const grid = html("div", "product", parent);
  grid.tabIndex = 0; // a wide product scrolls
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "the matrix product");
  html("div", "", grid);
  const [top, left, result] = ["top", "left", "result"].map((name) => {
    const { caption, rows, peak } = product[name];
    const part = html("div", "", grid);
    html("p", "caption", part, caption);
    return drawCells(caption, rows, peak, part);
  });
  const sum = html("p", "words", parent, "Point at an element of the result to see its row times its column.");
  result.forEach((cells, i) => cells.forEach((cell, j) => {
    const parts = [cell, ...left[i], ...top.map((row) => row[j])];
    cell.addEventListener("pointerenter", () => {
      parts.forEach((each) => each.classList.add("lit"));
      sum.textContent = sumAt(product, i, j);
    });
    cell.addEventListener("pointerleave", () => parts.forEach((each) => each.classList.remove("lit")));
  }));
  return true;
}

// The three tables of a step: forward A B, backward G Bᵀ for A and Aᵀ G for B. null unless the step is a
// matrix product whose tables are all complete.
function productOf(step) {
  const node = data.nodes[step.node ?? 0];
  const into = data.edges.map((_, k) => k).filter((k) => data.edges[k].target === node.id);
  const [a, b, bias] = into.map((k) => data.nodes[data.edges[k].source]);
  const place = step.phase === "backward" ? into.indexOf(step.edges[0]) : 0;
  if (!PRODUCTS.includes(node.operation) || step.phase === "seed" || place > 1) return null;
  if (![a.values, b.values, node.values].every((table, i) => table?.exact && [a, b, node][i].shape.length === 2)) return null;
  const value = ({ title, values, id }) => ({ caption: short(title, 18), rows: values.rows, peak: peaks[id].values });
  if (step.phase === "forward") {
    return { left: value(a), top: value(b), result: value(node), bias: bias ? biasOf(bias) : null };
  }
  const g = { caption: `gradient of ${short(node.title, 18)}`, rows: node.gradients.rows, peak: peaks[node.id].gradients };
  const arrives = { caption: "the contribution", rows: data.edges[step.edges[0]].contributions.rows, peak: peaks[step.to].gradients };
  if (place === 0) return { left: g, top: transposed(value(b)), result: arrives, bias: null };
  return { left: transposed(value(a)), top: g, result: arrives, bias: null };
}

function biasOf({ value, values }) {
  return values ? values.rows[0] : [value];
}

function transposed({ caption, rows, peak }) {
  return { caption: `${caption}ᵀ`, rows: rows[0].map((_, j) => rows.map((row) => row[j])), peak };
}

// The sum in the rounded numbers of the tables: it may differ from the result in the last digit.
function sumAt({ left, top, result, bias }, i, j) {
  const terms = left.rows[i].map((x, k) => [x, top.rows[k][j]]);
  const written = terms.map(([x, y]) => `${bracketed(x)} · ${bracketed(y)}`);
  const added = bias?.[bias.length === 1 ? 0 : j];
  if (bias) written.push(bracketed(added));
  const sum = terms.reduce((total, [x, y]) => total + real(x) * real(y), bias ? real(added) : 0);
  const out = number(result.rows[i][j]);
  return `${written.join(" + ")} ${number(sum) === out ? "=" : "≈"} ${out}`;
}

function bracketed(x) {
  return real(x) < 0 ? `(${number(x)})` : number(x);
}
