// Breaks a graph that is too long for the window into rows, as a text is broken into lines.

const LANE = 9; // pixels between the lines that go to the next row
const AISLE = 20; // pixels above and below a row
const SIDE = 36; // pixels beside a row, for numbers of edges that are broken there
const GAIN = 1.25; // the least factor by which the scale must grow
const MOST = 16; // rows, at most

function breakIntoRows() {
  const places = rooms();
  const scaleOf = (size) => Math.max(...places.map((room) => scaleIn(room, size)));
  if (scaleOf(data.size) >= READABLE) return;
  const curves = data.edges.map((edge) => curvesOf(edge.path));
  let [best, least] = [null, GAIN * scaleOf(data.size)];
  for (let count = 2; count <= MOST; count += 1) {
    const cuts = cutsFor(count);
    const broken = rowsBetween(cuts, curves);
    if (scaleOf(broken.size) > least) [best, least] = [{ cuts, ...broken }, scaleOf(broken.size)];
  }
  if (best) moveInto(best, curves);
}

// The cuts into this many rows: between columns of nodes, as near as possible to equal parts.
function cutsFor(count) {
  const gaps = [];
  let end = 0;
  for (const { x, w } of [...data.nodes].sort((a, b) => a.x - a.w / 2 - b.x + b.w / 2)) {
    if (x - w / 2 > end + AISLE && end > 0) gaps.push((end + x - w / 2) / 2);
    end = Math.max(end, x + w / 2);
  }
  const wanted = Array.from({ length: count - 1 }, (_, i) => (data.size[0] * (i + 1)) / count);
  const near = (at) => gaps.reduce((best, gap) => (Math.abs(gap - at) < Math.abs(best - at) ? gap : best), gaps[0]);
  return gaps.length ? [...new Set(wanted.map(near))] : [];
}

// The rows between the cuts: the start, the end and the shift of each, and the size of the whole.
function rowsBetween(cuts, curves) {
  const crossing = cuts.map((cut) => curves.filter((curve) => curve[0][0][0] < cut && curve.at(-1)[3][0] > cut).length);
  const margin = SIDE + 4 + LANE * Math.max(0, ...crossing);
  const points = [
    ...data.nodes.flatMap(({ x, y, h }) => [[x, y - h / 2], [x, y + h / 2]]),
    ...data.edges.map(({ label }) => label), ...curves.flat(2),
  ];
  const boxes = data.groups.filter(({ box }) => box).map(({ box }) => box);
  let below = AISLE;
  const rows = [0, ...cuts].map((start, i) => {
    const end = cuts[i] ?? data.size[0];
    const ys = points.filter(([x]) => x >= start && x <= end).map(([, y]) => y);
    for (const [x, y, width, height] of boxes) if (x < end && x + width > start) ys.push(y, y + height);
    const [top, bottom] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    const row = { start, end, dx: margin - start, dy: below - top, bottom: below + bottom - top };
    below = row.bottom + AISLE + LANE * (crossing[i] ?? 0);
    return row;
  });
  return { rows, margin, size: [2 * margin + Math.max(...rows.map(({ start, end }) => end - start)), below] };
}

function moveInto({ cuts, rows, margin, size }, curves) {
  const rowAt = (x) => cuts.filter((cut) => cut <= x).length;
  const moved = ([x, y], row = rowAt(x)) => [x + rows[row].dx, y + rows[row].dy];
  const pieces = curves.map((line) => line.flatMap((curve) => cutAt(curve, cuts)).map((curve) => {
    const row = rowAt((curve[0][0] + curve[3][0]) / 2);
    return { row, curve: curve.map((point) => moved(point, row)) };
  }));
  const lanes = lanesOf(pieces, rows);
  for (const node of data.nodes) [node.x, node.y] = moved([node.x, node.y]);
  data.edges.forEach((edge, k) => {
    edge.label = moved(edge.label);
    edge.path = pieces[k].map(({ row, curve }, i) => {
      const before = pieces[k][i - 1];
      if (!before) return pathText([curve]);
      if (before.row === row) return pathText([curve]).replace(/^M\S+ /, "");
      const [upper, lower] = before.row < row ? [before.curve[3], curve[0]] : [curve[0], before.curve[3]];
      const way = turn(upper, lower, rows[Math.min(row, before.row)], margin, lanes.get(`${k} ${i}`));
      return `${rounded(before.row < row ? way : way.reverse())} ${pathText([curve]).replace(/^M\S+ /, "")}`;
    }).join(" ");
  });
  data.groups = data.groups.flatMap((group) => {
    if (!group.box) return [group];
    const [x, y, width, height] = group.box;
    const [first, last] = [rowAt(x), rowAt(x + width)];
    return rows.slice(first, last + 1).map(({ start, end, dx, dy }, i) => {
      const [left, right] = [Math.max(x, start), Math.min(x + width, end)];
      return { ...group, box: [left + dx, y + dy, right - left, height], comes: i > 0, goes: first + i < last };
    });
  });
  data.size = size;

  // A line goes to the right, down below the row, back to the left, and down to the next row. The line
  // that starts highest is the outermost on the right and the lowest between the rows, so that no two
  // lines cross.
  function turn([x1, y1], [x2, y2], { end, dx, bottom }, left, { place, count }) {
    const [outer, inner] = [LANE * (count - 1 - place), LANE * place];
    const [right, between, start] = [end + dx + SIDE + outer, bottom + AISLE / 2 + outer, left - SIDE - inner];
    return [[x1, y1], [right, y1], [right, between], [start, between], [start, y2], [x2, y2]];
  }
}

// For each line between two rows: its place among the lines there, from above, and how many there are.
function lanesOf(pieces, rows) {
  const found = new Map();
  rows.forEach((_, r) => {
    const here = pieces.flatMap((line, k) => line.flatMap(({ row, curve }, i) => {
      const before = line[i - 1];
      if (!before || before.row === row || Math.min(before.row, row) !== r) return [];
      return [{ key: `${k} ${i}`, y: before.row < row ? before.curve[3][1] : curve[0][1] }];
    }));
    here.sort((a, b) => a.y - b.y).forEach(({ key }, place) => found.set(key, { place, count: here.length }));
  });
  return found;
}

// A curve, split where the cuts cross it.
function cutAt(curve, cuts) {
  const cut = cuts.find((x) => Math.min(curve[0][0], curve[3][0]) < x - 0.1 && Math.max(curve[0][0], curve[3][0]) > x + 0.1);
  if (cut === undefined) return [curve];
  let [low, high] = [0, 1];
  const isBefore = (x) => (x < cut) === (curve[0][0] < cut);
  for (let i = 0; i < 30; i += 1) {
    const middle = (low + high) / 2;
    if (isBefore(split(curve, middle)[0][3][0])) low = middle;
    else high = middle;
  }
  return split(curve, low).flatMap((part) => cutAt(part, cuts));
}

function split(curve, share) {
  const between = (points) => points.slice(1).map((to, i) => to.map((x, j) => points[i][j] + (x - points[i][j]) * share));
  const controls = between(curve);
  const tangent = between(controls);
  const [cut] = between(tangent);
  return [[curve[0], controls[0], tangent[0], cut], [cut, tangent[1], controls[2], curve[3]]];
}

// A line with round corners through the points, as the continuation of an SVG path.
function rounded(points) {
  const text = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
  const towards = ([a, b], [c, d]) => {
    const length = Math.hypot(c - a, d - b) || 1;
    const share = Math.min(8, length / 2) / length;
    return [a + (c - a) * share, b + (d - b) * share];
  };
  const corners = points.slice(1, -1).map((corner, i) => (
    `L${text(towards(corner, points[i]))} Q${text(corner)} ${text(towards(corner, points[i + 2]))}`
  ));
  return [...corners, `L${text(points.at(-1))}`].join(" ");
}

// The cubic curves of the `d` of an SVG path: a start, two control points, an end.
function curvesOf(path) {
  return path.split("M").slice(1).flatMap((piece) => {
    const xs = piece.match(/-?[\d.]+/g).map(Number);
    const points = Array.from({ length: xs.length / 2 }, (_, i) => [xs[2 * i], xs[2 * i + 1]]);
    return Array.from({ length: (points.length - 1) / 3 }, (_, i) => points.slice(3 * i, 3 * i + 4));
  });
}

function pathText(curves) {
  const text = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
  return curves.map((curve, i) => `${i ? "" : `M${text(curve[0])} `}C${curve.slice(1).map(text).join(" ")}`).join(" ");
}
