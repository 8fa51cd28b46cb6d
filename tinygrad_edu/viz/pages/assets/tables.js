// Arrays: small heat maps in the graph, tables of numbers in the panel.

const FEW = 16; // a table of no more cells is shown in numbers
const [MINUS, PLUS] = ["--minus", "--plus"].map(colourOf);
const STRANGE = [150, 60, 170]; // of what is not finite
const canvas = document.createElement("canvas");

// A pixel for each cell over a neutral ground: the colour is the sign, the opacity the size. Six
// hundred tables of elements of their own would make every step slow.
function drawHeat(table, x, y, [width, height], parent) {
  const [rows, columns] = [table.rows.length, table.rows[0].length];
  const place = { x, y, width: Math.min(width, box.cell * columns), height: Math.min(height, box.cell * rows) };
  svg("rect", { class: "ground", ...place }, parent);
  return svg("image", { ...place, class: "heat", preserveAspectRatio: "none", decoding: "sync" }, parent);
}

function paint(image, table, top) {
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

// A table as coloured cells, with the numbers where there are few.
function drawTable(caption, table, top, parent) {
  if (!table) return;
  const isFew = table.rows.length * table.rows[0].length <= FEW && table.rows[0].length <= 6;
  html("p", "caption", parent, table.exact ? caption : `${caption}: means of its parts`);
  const element = html("table", "cells", parent);
  element.setAttribute("aria-label", caption);
  for (const row of table.rows) {
    const line = html("tr", "", element);
    for (const x of row) {
      const cell = html("td", "", line, isFew ? number(x) : "");
      const share = Math.round(strength(x, top) * (isFew ? 55 : 100)); // numbers stay readable
      const colour = x < 0 ? "var(--minus)" : "var(--plus)";
      cell.style.background = `color-mix(in srgb, ${colour} ${share}%, var(--neutral))`;
      cell.title = number(x);
    }
  }
  const scale = html("p", "scale", parent, `−${number(top)}`);
  html("i", "", scale);
  scale.append(number(top));
}
