// A matrix product, laid out as one: the left operand beside the result, the right one above it. An
// element under the pointer lights up the row and the column that make it. Both ways back are products too.

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
  const sum = html("p", "words", parent, "Point at an element of the result: a row times a column.");
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

// The three tables, where the step is a product of matrices that are all there: forward A B, on the
// way back G Bᵀ to A and Aᵀ G to B.
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
  const arrives = { caption: "what arrives", rows: data.edges[step.edges[0]].contributions.rows, peak: peaks[step.to].gradients };
  if (place === 0) return { left: g, top: transposed(value(b)), result: arrives, bias: null };
  return { left: transposed(value(a)), top: g, result: arrives, bias: null };
}

function biasOf({ value, values }) {
  return values ? values.rows[0] : [value];
}

function transposed({ caption, rows, peak }) {
  return { caption: `${caption}ᵀ`, rows: rows[0].map((_, j) => rows.map((row) => row[j])), peak };
}

// In the digits of the tables, whose sum may differ from the result in the last of them.
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
