// Draws a graph with a dial for each input. It computes nothing itself: `ask(question, show)` passes each
// question to the program of the page or to the kernel of a notebook, and `show` takes the answer, at once
// or later. `root` is a document or a shadow root. A question holds the numbers of the inputs (`values`),
// the index of the selected input (`held`), the range in which its curve is drawn (`low`, `high`), and the
// h of the measured slope. An answer repeats its question and adds
//   out     the value of each node, then the gradients, the contributions of the edges, d root / d input
//   sides   for each input x, the values of the root at x - step and x + step (`ends`), and `step`
//   curve   the root at equal distances over the range, or nothing
//   reason  why some numbers are missing
// A missing number is undefined.
function graphExplorer(root, first, ask) {
  const { LARGEST, number, roundUp, dial, linear, axes, rangeOf, polyline } = workbench;
  const views = { nodes: [], flows: [], inputs: [] };
  const values = first.inputs.map((input) => input.value);
  let data = first;
  let answer = null; // the answer that is shown
  let held = 0; // the input whose curve is drawn
  let h = 1e-5;

  function change() {
    const { low, high } = views.inputs[held].scale;
    ask({ values: [...values], held, h, low, high }, show);
  }

  // Drawing

  function drawGraph(parent) {
    const [width, height] = data.size;
    const picture = svg("svg", { id: "graph", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "The graph" }, parent);
    for (const edge of data.edges) drawEdge(edge, picture);
    views.nodes = data.nodes.map((node) => drawNode(node, picture));
    views.flows = data.edges.map(({ label: [x, y] }) => svg("text", { class: "flow", x, y: y + 4 }, picture));
    return picture;
  }

  function drawEdge(edge, parent) {
    const g = svg("g", { class: "edge forward" }, parent);
    const path = svg("path", { d: edge.path }, g);
    const length = path.getTotalLength();
    const [from, to] = [path.getPointAtLength(length - 4), path.getPointAtLength(length)];
    const angle = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
    const transform = `translate(${to.x} ${to.y}) rotate(${angle})`;
    svg("polygon", { class: "tip", points: "0,0 -9,-4.5 -9,4.5", transform }, g);
  }

  function drawNode({ id, role, title, operation, gradient, x, y, w, h: tall }, parent) {
    const [left, top] = [x - w / 2, y - tall / 2];
    const g = svg("g", { id: `node-${id}`, class: `node ${role}` }, parent);
    const { box } = data; // the places in the box of a node
    svg("rect", { class: "box", x: left, y: top, width: w, height: tall, rx: operation ? 10 : 2 }, g);
    svg("text", { class: "title", x: left + box.side, y: top + box.title }, g, short(title, 16));
    if (role === "constant") return { g };
    svg("text", { class: "kind", x: left + w - box.side, y: top + box.title }, g, short(operation || "input", 16));
    const row = (caption, className, line) => {
      const at = top + box.title + line * box.line;
      svg("text", { class: `caption ${className}`, x: left + box.side, y: at }, g, caption);
      return svg("text", { class: `number ${className}`, x: left + w - box.side, y: at }, g);
    };
    return { g, value: row("value", "value", 1), gradient: gradient === null ? null : row("grad", "gradient", 2) };
  }

  // The number of an input in the graph can be dragged: 400 pixels are the whole range of its slider.
  function makeHandle(input, k) {
    const view = views.nodes[input.node];
    if (!view?.value) return;
    view.g.classList.add("handle");
    svg("title", {}, view.g, `Drag left or right to change ${input.name}`);
    const { room } = views; // this element stays when another branch draws other nodes
    view.g.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      room.setPointerCapture(event.pointerId);
      hold(k);
      const [start, from] = [event.clientX, values[k]];
      const { low, high } = views.inputs[k].scale;
      const move = (now) => views.inputs[k].dial.take(rounded((high - low) / 400, from + ((now.clientX - start) * (high - low)) / 400));
      const end = () => {
        room.removeEventListener("pointermove", move);
        for (const name of ["pointerup", "pointercancel"]) room.removeEventListener(name, end);
      };
      room.addEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) room.addEventListener(name, end);
    });
  }

  // Draws another graph: the function took another branch.
  function redraw(now) {
    data = now;
    const { scrollLeft, scrollTop } = views.room;
    views.room.replaceChildren();
    views.picture = drawGraph(views.room);
    data.inputs.forEach(makeHandle);
    views.inputs.forEach(nameSlopes);
    fit();
    Object.assign(views.room, { scrollLeft, scrollTop });
  }

  function nameSlopes(view, k) {
    const { name } = data.inputs[k];
    view.names[0].textContent = `∂${data.name}/∂${short(name, 12)}`;
    view.names[1].textContent = name.length + data.name.length < 4 ? differenceOf(name) : "measured slope";
  }

  function differenceOf(name) {
    return `(${data.name}(${name} + h) − ${data.name}(${name} − h)) / 2h`;
  }

  function rounded(step, x) {
    return Number((Math.round(x / step) * step).toPrecision(10));
  }

  function rangeAround(x) {
    const span = Math.min(LARGEST, roundUp(Math.max(3, 2 * Math.abs(x))));
    return [-span, span];
  }

  function drawInput(input, k, parent) {
    const card = element("div", { class: "dial-card", id: `card-${k}` }, parent);
    const scale = linear(...rangeAround(input.value));
    const made = dial({
      id: `dial-${k}`, name: input.name, value: input.value, scale,
      round: (x) => rounded((scale.high - scale.low) / 1000, x),
      onInput: (given) => {
        const x = Math.max(-LARGEST, Math.min(LARGEST, given));
        if (x < scale.low || x > scale.high) {
          Object.assign(scale, linear(...rangeAround(x)));
          made.show();
        }
        values[k] = x;
        hold(k);
        return x;
      },
      onHold: () => {
        hold(k);
        bringIntoView(input.node);
      },
    }, card);
    const list = element("dl", { class: "slopes" }, card);
    const names = [element("dt", {}, list)];
    const gradient = element("dd", { class: "gradient" }, list);
    names.push(element("dt", {}, list));
    const measured = element("dd", {}, list);
    const slope = element("span", { class: "slope" }, measured);
    const sign = element("span", { class: "sign", role: "img" }, measured);
    return { card, dial: made, scale, names, gradient, slope, sign };
  }

  function drawStep(parent) {
    const row = element("p", { class: "difference" }, parent);
    element("label", { for: "h" }, row, "h =");
    const choice = element("select", { id: "h" }, row);
    for (const [x, text] of [[1, "1"], [0.1, "0.1"], [0.01, "0.01"], [1e-3, "0.001"], [1e-5, "0.00001"]]) {
      element("option", { value: x }, choice, text);
    }
    choice.value = String(h);
    choice.addEventListener("change", () => {
      h = Number(choice.value);
      change();
    });
    element("span", { class: "hint", id: "h-note" }, row, "times |x| for an input x with |x| above 1");
    choice.setAttribute("aria-describedby", "h-note");
  }

  // Showing

  function show(found) {
    answer = found;
    const { out, sides, reason } = answer;
    const count = data.known;
    data.nodes.slice(0, count).forEach((node, i) => {
      const view = views.nodes[i];
      write(view.value, out[i]);
      if (view.gradient) write(view.gradient, out[count + i]);
      view.g.classList.toggle("unknown", out[i] === undefined);
    });
    data.flows.forEach((k, i) => write(views.flows[k], out[2 * count + i], ""));
    const first = 2 * count + data.flows.length;
    views.inputs.forEach((view, k) => {
      const gradient = out[first + k];
      const { slope, rounding } = measured(sides[k]);
      write(view.gradient, gradient, "?", 7);
      write(view.slope, Number.isNaN(slope) ? undefined : slope, "?", 7);
      const isKnown = Number.isFinite(gradient) && Number.isFinite(slope);
      const agree = Math.abs(gradient - slope) <= 2e-6 * Math.max(1, Math.abs(gradient)) + rounding;
      mark(view.sign, isKnown ? agree : null);
      view.card.classList.toggle("held", k === answer.held);
    });
    data.inputs.forEach((input, k) => views.nodes[input.node]?.g.classList.toggle("now", k === answer.held));
    views.status.textContent = reason;
    drawTangent(out[first + answer.held], out[data.root]);
  }

  // The central difference, and how much of it may be rounding error.
  function measured({ step, ends: [before, after] }) {
    const rounding = (4 * Number.EPSILON * (Math.abs(after) + Math.abs(before))) / (2 * step);
    return { slope: (after - before) / (2 * step), rounding };
  }

  // Whether a gradient and a slope agree; null where one of them is not known.
  function mark(sign, agree) {
    sign.textContent = agree === null ? "" : agree ? "✓" : "≠";
    sign.hidden = agree === null;
    if (agree === null) {
      for (const name of ["title", "aria-label"]) sign.removeAttribute(name);
      return;
    }
    sign.title = agree ? "they agree" : "they differ: h is too large, or a kink lies between the two points";
    sign.setAttribute("aria-label", agree ? "agrees" : "differs");
  }

  function write(place, x, unknown = "?", digits = 4) {
    const text = x === undefined ? unknown : number(x, digits);
    if (place.textContent !== text) place.textContent = text;
  }

  // The root as a function of the selected input, its tangent, and the secant of the measured slope.
  function drawTangent(gradient, root) {
    const plot = views.plot;
    const { held, curve, values } = answer;
    const { step, ends } = answer.sides[held];
    const { name } = data.inputs[held];
    const scale = linear(answer.low, answer.high);
    const xs = curve.map((_, i) => scale.at(i / (curve.length - 1)));
    const ys = curve.map((y) => y ?? NaN);
    const here = values[held];
    plot.replaceChildren();
    if (!curve.length) return;
    const isThere = Math.abs(root) <= LARGEST;
    const [low, high] = rangeOf(isThere ? [...ys, root] : ys);
    const vertical = linear(Math.min(low, isThere ? root : low), Math.max(high, isThere ? root : high));
    const at = axes(plot, views.size, scale, vertical, [name, data.name]);
    drawUnknown(xs, ys, at);
    svg("path", { class: "curve", d: polyline(xs.map((x, i) => [at.x(x), at.y(ys[i])])) }, at.inside);
    const isKnown = Number.isFinite(gradient) && isThere;
    views.caption.textContent = `${data.name} as a function of ${name}, other inputs fixed`
      + (isKnown ? `. At ${name} = ${number(here)} the slope of the tangent is ${number(gradient)}.` : ".");
    if (!isKnown) return;
    if (answer.h >= 0.01 && ends.every(Number.isFinite)) {
      const points = ends.map((y, i) => [at.x(here + (2 * i - 1) * step), at.y(y)]);
      svg("path", { class: "secant", d: polyline(points) }, at.inside);
      for (const [cx, cy] of points) svg("circle", { class: "end", cx, cy, r: 3.5 }, at.inside);
    }
    const tangent = [scale.low, scale.high].map((x) => [at.x(x), at.y(root + gradient * (x - here))]);
    svg("path", { class: "line", d: polyline(tangent) }, at.inside);
    svg("circle", { class: "here", cx: at.x(here), cy: at.y(root), r: 6 }, at.inside);
  }

  // Grey where the root is not known: the function takes another branch, or raises an error.
  function drawUnknown(xs, ys, at) {
    const half = (xs[1] - xs[0]) / 2;
    let start = null;
    [...ys, 0].forEach((y, i) => {
      if (Number.isNaN(y) && start === null) start = i;
      if (Number.isNaN(y) || start === null) return;
      const [from, to] = [at.x(xs[start] - half), at.x(xs[i - 1] + half)];
      svg("rect", { class: "unknown", x: from, y: at.top, width: to - from, height: at.bottom - at.top }, at.inside);
      if (to - from > 90) svg("text", { class: "tick", x: (from + to) / 2, y: at.top + 18, "text-anchor": "middle" }, at.inside, "not known");
      start = null;
    });
  }

  function hold(k) {
    held = k;
    change();
  }

  // Scrolls the graph inside its frame; the page itself does not move.
  function bringIntoView(node) {
    if (!views.nodes[node]) return;
    const [box, room] = [views.nodes[node].g, views.room].map((x) => x.getBoundingClientRect());
    const margin = 8;
    const beyond = (low, high, least, most) =>
      Math.min(0, low - margin - least) || Math.max(0, high + margin - most);
    views.room.scrollBy({
      left: beyond(box.left, box.right, room.left, room.right),
      top: beyond(box.top, box.bottom, room.top, room.bottom),
    });
  }

  function fit() {
    const [width, height] = data.size;
    const room = views.room;
    const scale = Math.min(1.35, room.clientWidth / width, (0.5 * window.innerHeight) / height);
    views.picture.setAttribute("width", width * Math.max(0.85, scale)); // smaller cannot be read
    views.picture.setAttribute("height", height * Math.max(0.85, scale));
    views.size = [Math.max(280, views.plot.parentElement.clientWidth - 36), 270]; // letters keep their size
    views.plot.setAttribute("viewBox", `0 0 ${views.size.join(" ")}`);
  }

  function start() {
    const main = root.querySelector("main");
    const stage = element("section", { id: "drawing", "aria-label": "Graph" }, main);
    views.status = element("p", { class: "status", role: "status" }, stage);
    views.room = element("div", { id: "room", tabindex: 0, role: "region", "aria-label": "Graph, scrolls" }, stage);
    const tangent = element("section", { id: "tangent", "aria-label": "Tangent" }, main);
    views.caption = element("p", { class: "lead", id: "caption" }, tangent);
    views.plot = svg("svg", { id: "curve", class: "plot", role: "img", "aria-labelledby": "caption" }, tangent);
    const panel = element("aside", { id: "panel", "aria-label": "Inputs" }, main);
    element("h2", {}, panel, "Drag a slider, or a number in the graph");
    element("p", { class: "lead" }, panel,
      `Below each gradient of the backward pass is the measured slope, which needs no derivative rule: ${differenceOf("x")} for an input x.`);
    drawStep(panel);
    const inputs = element("div", { id: "inputs" }, panel);
    views.inputs = data.inputs.map((input, k) => drawInput(input, k, inputs));
    redraw(data);
    root.getElementById("reset").addEventListener("click", () => {
      move(data.inputs.map((input) => input.value), rangeAround);
      change();
    });
  }

  // Moves the dials, and asks no question.
  function move(xs, rangeOfDial) {
    xs.forEach((x, k) => {
      const { dial: made, scale } = views.inputs[k];
      values[k] = made.value = x;
      Object.assign(scale, linear(...rangeOfDial(x, scale)));
      made.show();
    });
  }

  // Shows an answer to a question that another view of the widget, or Python, asked.
  function follow(found) {
    move(found.values, (x, { low, high }) => (x < low || x > high ? rangeAround(x) : [low, high]));
    held = found.held;
    show(found);
  }

  function resize() {
    fit();
    if (answer) show(answer);
  }

  start();
  return { change, show, follow, redraw, resize, measured, values, take: (k, x) => views.inputs[k].dial.take(x) };
}
