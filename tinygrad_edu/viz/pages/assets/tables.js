// Arrays: small heat maps in the graph, tables of numbers in the panel.

const FEW = 16; // a table of no more cells is shown in numbers
const [MINUS, PLUS] = ["--minus", "--plus"].map(colourOf);
const STRANGE = [150, 60, 170]; // the colour of nan and inf
const canvas = document.createElement("canvas");

// An image with a pixel for each cell: the colour shows the sign, the opacity shows the size. An element
// for each cell would make every step slow in a graph of hundreds of tables. The lines between the cells
// are one path, which never changes.
function drawHeat(table, x, y, room, into) {
  const parent = svg("g", {}, into);
  const [rows, columns] = shapeOf(table);
  const [width, height] = cellSize(rows, columns, room);
  const place = { x, y, width: width * columns, height: height * rows };
  svg("rect", { class: "zero", ...place }, parent);
  const image = svg("image", { ...place, class: "heat", preserveAspectRatio: "none", decoding: "sync" }, parent);
  const lines = [
    ...between(rows, height).map((at) => `M${x} ${y + at}h${place.width}`),
    ...between(columns, width).map((at) => `M${x + at} ${y}v${place.height}`),
  ];
  if (Math.min(width, height) > 3) svg("path", { class: "cell-lines", d: lines.join("") }, parent);
  svg("rect", { class: "frame", ...place }, parent);
  return image;
}

function shapeOf(table) {
  return [table.rows.length, table.rows[0].length];
}

// Cells are square, so that a table has the shape of its array. In a long table they are up to twice
// as long as wide.
function cellSize(rows, columns, [width, height]) {
  const [w, h] = [Math.min(box.cell, width / columns), Math.min(box.cell, height / rows)];
  return [Math.min(w, 2 * h), Math.min(h, 2 * w)];
}

function between(count, size) {
  return Array.from({ length: count - 1 }, (_, i) => size * (i + 1));
}

// The index and the number of the cell under the pointer, as text.
function cellAt(event, image, table, node) {
  if (!table) return null;
  const [rows, columns] = shapeOf(table);
  const { left, top, width, height } = image.getBoundingClientRect();
  const row = Math.floor(((event.clientY - top) / height) * rows);
  const column = Math.floor(((event.clientX - left) / width) * columns);
  const x = table.rows[row]?.[column];
  return x === undefined ? null : `${placeOf(node.shape, table, row, column)}: ${number(x)}`;
}

function placeOf(shape, table, row, column) {
  if (!table.exact) return "mean of a part";
  if (shape.length === 1) return `[${column}]`;
  return shape.length === 2 ? `[${row}, ${column}]` : `row ${row}, column ${column}`;
}

function paint(image, table, top) {
  image.parentNode.classList.toggle("unknown", !table);
  if (!table) {
    image.removeAttribute("href");
    return;
  }
  const [rows, columns] = [table.rows.length, table.rows[0].length];
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const pixels = table.rows.flat().flatMap((x) => {
    if (typeof x === "string") return [...STRANGE, 255];
    return [...(x < 0 ? MINUS : PLUS), 255 * strength(x, top)];
  });
  context.putImageData(new ImageData(new Uint8ClampedArray(pixels), columns, rows), 0, 0);
  image.setAttribute("href", canvas.toDataURL());
}

function strength(x, top) {
  return top > 0 ? Math.min(1, Math.abs(Number(x)) / top) || 0 : 0;
}

// A table of coloured cells; a small table shows its numbers.
function drawTable(caption, table, top, parent) {
  if (!table) return;
  html("p", "caption", parent, table.exact ? caption : `${caption}: means of its parts`);
  drawCells(caption, table.rows, top, parent);
  if (top === 0) return;
  const scale = html("p", "scale", parent, `−${number(top)}`);
  html("i", "", scale);
  scale.append(number(top));
}

// Returns the cells, row by row.
function drawCells(label, rows, top, parent) {
  const isFew = rows.length * rows[0].length <= FEW && rows[0].length <= 6;
  const element = html("table", isFew ? "cells" : "cells small", parent);
  element.setAttribute("aria-label", label);
  return rows.map((row) => {
    const line = html("tr", "", element);
    return row.map((x) => {
      const cell = html("td", typeof x === "string" ? "strange" : "", line, isFew ? number(x) : "");
      const share = Math.round(strength(x, top) * (isFew ? 42 : 100)); // numbers stay readable
      const colour = x < 0 ? "var(--minus)" : "var(--plus)";
      cell.style.background = `color-mix(in srgb, ${colour} ${share}%, var(--zero))`;
      if (!isFew) explain(cell, () => number(x));
      return cell;
    });
  });
}
