// Runs gradient descent by the programs of a function, and shows the path, the loss and a verdict.
(() => {
  const { number, dial, linear, logarithmic, axes, rangeOf, polyline } = workbench;
  const data = JSON.parse(byId("data").textContent);
  const state = { terrain: 0, start: [], settings: [], lr: 0, momentum: data.momentum, steps: 0 };
  const views = { dials: {} };

  function terrain() {
    return data.terrains[state.terrain];
  }

  // Program 0 of a terrain: f and its gradient; program 1: its second derivatives.
  function evaluated(order, point) {
    const out = [];
    programs[2 * state.terrain + order](ofNumPy)(...point, ...state.settings, out);
    return out;
  }

  function valueAt(point) {
    try {
      return evaluated(0, point)[0];
    } catch (stop) {
      return NaN; // another branch
    }
  }

  // As lab.descend with optim.SGD: p = p - lr v, with v = momentum v + g.
  function descended(x0, { lr, momentum, steps }) {
    const path = { x: [], loss: [], gradient: [], stop: null };
    let x = [...x0];
    let v = null;
    for (let t = 0; t <= steps; t += 1) {
      let found;
      try {
        found = evaluated(0, x);
      } catch (stop) {
        path.stop = stop;
        break;
      }
      const [loss, ...g] = found;
      path.x.push(x);
      path.loss.push(loss);
      path.gradient.push(g);
      if (t === steps || ![...x, loss, ...g].every(Number.isFinite)) break;
      v = momentum && v ? v.map((y, i) => momentum * y + g[i]) : g;
      x = x.map((y, i) => y - lr * v[i]);
    }
    return path;
  }

  // The rule of lab.verdict, in its words.

  function verdictOf({ x, loss, gradient }) {
    if (!x.length) return ["not known", ""];
    const reason = notFinite({ "the loss": [loss.at(-1)], "the gradient": gradient.at(-1), x: x.at(-1) }, x.length - 1);
    if (reason) return ["diverged", reason];
    const sizes = gradient.map((g) => Math.hypot(...g));
    const [first, last] = [sizes[0], sizes.at(-1)];
    if (first === 0) return ["converged", "the gradient is 0 at the start: this is a stationary point"];
    if (last <= data.converged * first) {
      return ["converged", `the gradient shrank to ${scientific(last / first)} of what it was`];
    }
    const turns = reversals(x);
    const factor = meanFactor(sizes);
    if (factor > 1 + data.constant && loss.at(-1) > loss[0]) {
      return ["diverged", `the gradient grows by a factor of ${ascii(factor)} in every step`];
    }
    if (turns > 0.5 && factor > 1 - data.constant) {
      return ["oscillating", `${percent(turns)} of the steps turn back, and the gradient does not shrink`];
    }
    if (factor >= 1 && loss.at(-1) >= loss[0]) return ["slow", "the gradient does not shrink, and the loss does not fall"];
    if (factor >= 1) {
      const change = factor > 1 + data.constant ? `grows by a factor of ${ascii(factor)} in every step` : "does not shrink";
      return ["falling", `the loss falls, and the gradient ${change}`];
    }
    const back = turns > 0.5 ? ", from side to side" : "";
    const left = Math.ceil(Math.log((data.converged * first) / last) / Math.log(factor));
    return ["slow", `the gradient shrinks by a factor of ${ascii(factor)} in every step${back}: about `
      + `${left.toLocaleString("en-US")} more steps are needed`];
  }

  function notFinite(state, t) {
    for (const [name, numbers] of Object.entries(state)) {
      if (numbers.every(Number.isFinite)) continue;
      return `${name} is ${numbers.some(Number.isNaN) ? "nan" : "infinite"} ${t ? `after step ${t}` : "at the start"}`;
    }
    return "";
  }

  function meanFactor(sizes) {
    const later = sizes.slice(Math.floor((sizes.length - 1) / 2));
    const [first, last] = [later[0], later.at(-1)];
    return first === 0 || last === 0 || later.length < 2 ? 0 : (last / first) ** (1 / (later.length - 1));
  }

  function reversals(x) {
    const steps = x.slice(1).map((to, t) => to.map((y, i) => y - x[t][i]));
    const later = steps.slice(Math.floor(steps.length / 2));
    const products = later.slice(1).map((step, t) => step.reduce((sum, y, i) => sum + y * later[t][i], 0));
    return products.length ? products.filter((p) => p < 0).length / products.length : 0;
  }

  function ascii(x) {
    return number(x).replaceAll("−", "-");
  }

  function scientific(x) {
    const [mantissa, exponent] = x.toExponential(1).split("e");
    return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }

  function percent(x) {
    const y = 100 * x;
    const nearest = Math.round(y);
    return `${y % 1 === 0.5 && nearest % 2 ? nearest - 1 : nearest}%`; // halves to the even one
  }

  // The limit of stability

  // The largest curvature and the smallest: the eigenvalues of the Hessian.
  function curvaturesAt(point) {
    try {
      const h = evaluated(1, point);
      if (h.length === 1) return [h[0], h[0]];
      const [a, b, , d] = h;
      const [middle, half] = [(a + d) / 2, Math.sqrt(((a - d) / 2) ** 2 + b * b)];
      return [middle + half, middle - half];
    } catch (stop) {
      return [NaN, NaN];
    }
  }

  // The limit of stability, and whether it is the same everywhere, as it is for a quadratic; otherwise it
  // holds at the end of the path. The limit is null where the function curves downwards in at least one
  // direction: no descent settles there.
  function limitOf(path, kind) {
    const { bounds } = terrain();
    const corners = [bounds.map(([low]) => low), bounds.map(([, high]) => high), state.start, bounds.map(([low, high]) => 0.3 * low + 0.7 * high)];
    const found = corners.map(curvaturesAt);
    const everywhere = found.every((each) => each.every((x, i) => Math.abs(x - found[0][i]) <= 1e-9 * Math.abs(x)));
    const isNowhere = !everywhere && (kind === "diverged" || !path.x.length);
    const [curvature, least] = everywhere ? found[0] : isNowhere ? [NaN, NaN] : curvaturesAt(path.x.at(-1));
    const isDown = least < -1e-9 * Math.abs(curvature);
    const isBounded = !isDown && curvature > 0 && Number.isFinite(curvature);
    return { everywhere, curvature, isDown, limit: isBounded ? (2 * (1 + state.momentum)) / curvature : null };
  }

  function limitText({ everywhere, curvature, isDown, limit }) {
    if (limit === null) {
      const where = `${everywhere ? "Everywhere" : "Where the path ends,"} the function curves downwards`;
      if (isDown) return `${where}${curvature > 0 ? " in one direction" : ""}: descent cannot settle there at any rate.`;
      return Number.isNaN(curvature) ? "The path has no end, so no curvature sets a limit to the rate." : "Where the path ends, the function does not curve: this sets no limit to the rate.";
    }
    const formula = state.momentum ? "2 (1 + momentum) / curvature" : "2 / curvature";
    const text = `${formula} = ${number(limit)}`;
    return everywhere
      ? `The mark is the limit of stability: ${text}. The largest curvature is ${number(curvature)} everywhere.`
      : `Where the path ends, the largest curvature is ${number(curvature)}. Descent can settle there at rates below the mark, ${text}.`;
  }

  // Drawing

  function drawMap(path) {
    const { bounds, names } = terrain();
    const plot = views.map;
    const size = sizeOf(plot, names.length === 1 ? 330 : 380);
    plot.replaceChildren();
    const horizontal = linear(...bounds[0]);
    const at = names.length === 1 ? drawCurve(plot, size, horizontal) : drawContours(plot, size, horizontal);
    views.at = at;
    const points = path.x.map((p, t) => [at.x(p[0]), at.y(names.length === 1 ? path.loss[t] : p[1])]);
    svg("path", { class: "path", d: polyline(points) }, at.inside);
    svg("path", { class: "points", d: dots(points) }, at.inside);
    const [end, start] = [points.at(-1), points[0]];
    if (end?.every(Number.isFinite)) svg("circle", { class: "end", cx: end[0], cy: end[1], r: 6 }, at.inside);
    if (start?.every(Number.isFinite)) svg("circle", { class: "start", cx: start[0], cy: start[1], r: 7 }, at.inside);
  }

  function sizeOf(plot, height) {
    const style = getComputedStyle(plot.parentElement);
    const width = plot.parentElement.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const size = [Math.max(280, width), Math.min(height, Math.max(200, 0.42 * window.innerHeight))];
    plot.setAttribute("viewBox", `0 0 ${size.join(" ")}`);
    return size;
  }

  function drawCurve(plot, size, horizontal) {
    const xs = Array.from({ length: 241 }, (_, i) => horizontal.at(i / 240));
    const ys = xs.map((x) => valueAt([x]));
    const at = axes(plot, size, horizontal, linear(...rangeOf(ys)), [terrain().names[0], "loss"]);
    svg("path", { class: "curve", d: polyline(xs.map((x, i) => [at.x(x), at.y(ys[i])])) }, at.inside);
    return at;
  }

  function drawContours(plot, size, horizontal) {
    const { bounds, names } = terrain();
    const vertical = linear(...bounds[1]);
    const at = axes(plot, size, horizontal, vertical, names);
    const key = JSON.stringify([state.terrain, state.settings, size]);
    if (views.contours?.key !== key) views.contours = { key, paths: contours(horizontal, vertical, at) };
    for (const d of views.contours.paths) svg("path", { class: "contour", d }, at.inside);
    return at;
  }

  // A contour line for each level. The levels are quantiles of the values, so that every part of the
  // picture has some lines.
  function contours(horizontal, vertical, at) {
    const [columns, lines] = [97, 65];
    const rows = Array.from({ length: lines }, (_, j) => Array.from({ length: columns }, (_, i) => (
      valueAt([horizontal.at(i / (columns - 1)), vertical.at(j / (lines - 1))]))));
    const sorted = rows.flat().filter(Number.isFinite).sort((a, b) => a - b);
    const shares = [0.02, 0.05, 0.1, 0.18, 0.28, 0.4, 0.53, 0.66, 0.79, 0.91];
    const place = (i, j) => [at.x(horizontal.at(i / (columns - 1))), at.y(vertical.at(j / (lines - 1)))];
    const levels = sorted.length ? shares.map((share) => sorted[Math.floor(share * sorted.length)]) : [];
    return levels.map((level) => contour(rows, level, place));
  }

  // The line on which a function on a grid has this value: a straight piece in each cell that it crosses.
  function contour(rows, level, place) {
    const parts = [];
    for (let j = 0; j + 1 < rows.length; j += 1) {
      for (let i = 0; i + 1 < rows[j].length; i += 1) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const cuts = [];
        corners.forEach(([a, b], k) => {
          const [c, d] = corners[(k + 1) % 4];
          const [from, to] = [rows[b][a] - level, rows[d][c] - level];
          if ((from < 0) === (to < 0)) return;
          const share = from / (from - to);
          cuts.push(place(a + share * (c - a), b + share * (d - b)).map((x) => x.toFixed(1)).join(","));
        });
        for (let k = 0; k + 1 < cuts.length; k += 2) parts.push(`M${cuts[k]}L${cuts[k + 1]}`);
      }
    }
    return parts.join("");
  }

  function drawLosses({ loss }) {
    const plot = views.losses;
    const size = sizeOf(plot, 210);
    plot.replaceChildren();
    const known = loss.filter(Number.isFinite);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const isLog = low >= 0 && high > 0 && low < high / 20;
    const floor = Math.max(low, high * 1e-16);
    const margin = 0.06 * (high - low) || 0.5;
    const vertical = isLog ? decades(floor, high) : linear(low - margin, high + margin);
    const across = { ...linear(0, Math.max(1, loss.length - 1)) };
    across.ticks = workbench.ticks(0, across.high, 8).filter(Number.isInteger);
    const at = axes(plot, size, across, vertical, ["step", isLog ? "loss (log scale)" : "loss"]);
    const points = loss.map((y, t) => [at.x(t), at.y(isLog ? Math.max(y, floor) : y)]);
    svg("path", { class: "path", d: polyline(points) }, at.inside);
    svg("path", { class: "points", d: dots(points) }, at.inside);
  }

  // A dot at each point, all in one path: a line of length 0 with round ends is a dot.
  function dots(points) {
    return points.map((point) => polyline([point, point])).join("");
  }

  function decades(low, high) {
    const [from, to] = [Math.floor(Math.log10(low) - 0.05), Math.ceil(Math.log10(high) + 0.05)];
    const every = Math.ceil((to - from) / 5);
    const ticks = [];
    for (let k = from; k <= to; k += every) ticks.push(10 ** k);
    return { ...logarithmic(10 ** from, 10 ** to), ticks };
  }

  // Showing

  function show() {
    const path = descended(state.start, state);
    const [kind, reason] = verdictOf(path);
    const limit = limitOf(path, kind);
    drawMap(path);
    drawLosses(path);
    views.verdict.replaceChildren();
    element("span", { class: `badge ${kind}` }, views.verdict, kind);
    views.verdict.append(storyOf(path, reason));
    views.limit.textContent = limitText(limit);
    const place = limit.limit === null ? NaN : views.dials.rate.scale.place(limit.limit);
    views.mark.hidden = !(place >= 0 && place <= 1);
    views.mark.style.left = `calc(8px + ${place} * (100% - 16px) - 1.5px)`; // the middle of the slider's thumb
    views.latest = { path, kind, reason, ...limit };
  }

  function storyOf({ x, loss, stop }, reason) {
    const branch = "the function takes another branch, whose numbers are not known.";
    if (!x.length) return `At the start ${branch}`;
    const steps = x.length - 1;
    const stopped = stop ? ` After step ${steps} ${branch}` : "";
    return `${reason}.${stopped} Loss ${number(loss[0])} → ${number(loss.at(-1))} in ${steps} step${steps === 1 ? "" : "s"}.`;
  }

  function addDial(key, name, value, scale, round, onInput) {
    const made = dial({
      id: `dial-${key}`, name, value, scale, round,
      onInput: (x) => {
        const taken = onInput(x);
        show();
        return taken;
      },
    }, views.controls);
    views.dials[key] = { ...made, scale, dial: made };
    return made;
  }

  function digits(count) {
    return (x) => Number(x.toPrecision(count));
  }

  function stepsOf(low, high) {
    const step = (high - low) / 1000;
    return (x) => Number((Math.round(x / step) * step).toPrecision(6));
  }

  function kept(low, high, x) {
    return Math.max(low, Math.min(high, x));
  }

  function choose(k) {
    state.terrain = k;
    const { start, lr, steps, rates, settings, bounds, names } = terrain();
    Object.assign(state, { start: [...start], settings: settings.map((x) => x.value), lr, steps, momentum: data.momentum });
    if (views.choice) views.choice.value = String(k);
    views.controls.replaceChildren();
    const rate = addDial("rate", "learning rate", lr, logarithmic(...rates), digits(3), (x) => (state.lr = Math.max(0, x)));
    views.mark = element("span", { class: "limit-mark", title: "the limit of stability" }, rate.track);
    views.limit = element("p", { class: "limit", id: "limit" }, views.controls);
    rate.slider.setAttribute("aria-describedby", "limit");
    addDial("momentum", "momentum", state.momentum, linear(0, 0.99), digits(2), (x) => (state.momentum = kept(0, 0.999, x)));
    names.forEach((name, i) => {
      addDial(`start-${name}`, `start ${name}`, start[i], linear(...bounds[i]), stepsOf(...bounds[i]), (x) => (state.start[i] = x));
    });
    settings.forEach(({ name, value, low, high }, i) => {
      addDial(`setting-${i}`, name, value, logarithmic(low, high), digits(3), (x) => (state.settings[i] = x));
    });
    addDial("steps", "steps", state.steps, linear(1, data.most), Math.round, (x) => (state.steps = kept(1, data.most, Math.round(x))));
    show();
  }

  // The start follows the pointer on the map.
  function takeStart(event) {
    const { names, bounds } = terrain();
    const box = views.map.getBoundingClientRect();
    const [, , width, height] = views.map.getAttribute("viewBox").split(" ").map(Number);
    const { left, right, top, bottom } = views.at;
    const shares = [
      (((event.clientX - box.left) / box.width) * width - left) / (right - left),
      (bottom - ((event.clientY - box.top) / box.height) * height) / (bottom - top),
    ];
    names.forEach((name, i) => {
      const [low, high] = bounds[i];
      state.start[i] = stepsOf(low, high)(low + kept(0, 1, shares[i]) * (high - low));
      const { dial: made } = views.dials[`start-${name}`];
      made.value = state.start[i];
      made.show();
    });
    show();
  }

  function followPointer() {
    let isDown = false;
    views.map.addEventListener("pointerdown", (event) => {
      isDown = true;
      views.map.setPointerCapture(event.pointerId);
      takeStart(event);
    });
    views.map.addEventListener("pointermove", (event) => {
      if (isDown) takeStart(event);
    });
    for (const name of ["pointerup", "pointercancel"]) views.map.addEventListener(name, () => { isDown = false; });
  }

  function begin() {
    const main = document.querySelector("main");
    const stage = element("section", { id: "scene", "aria-label": "Path" }, main);
    views.verdict = element("p", { id: "verdict", role: "status" }, stage);
    views.map = svg("svg", { id: "landscape", class: "plot", role: "img", "aria-label": "The path of the descent, from the ring to the dot" }, stage);
    const panel = element("aside", { id: "panel", "aria-label": "Settings" }, main);
    if (data.terrains.length > 1) {
      const label = element("label", { class: "choice" }, panel, "function");
      views.choice = element("select", { id: "terrain" }, label);
      data.terrains.forEach(({ name }, k) => element("option", { value: k }, views.choice, name));
      views.choice.addEventListener("change", () => choose(Number(views.choice.value)));
    } else {
      element("h2", {}, panel, data.terrains[0].name);
    }
    views.controls = element("div", { id: "controls-of-descent" }, panel);
    element("p", { class: "hint" }, panel, "You can also drag the start in the picture. The ring is the start of the path, the dot is its end.");
    const below = element("section", { id: "losses", "aria-label": "Loss by step" }, main);
    views.losses = svg("svg", { id: "loss", class: "plot", role: "img", "aria-label": "The loss by step" }, below);
    byId("reset").addEventListener("click", () => choose(state.terrain));
    window.addEventListener("resize", show);
    workbench.keepClearOf(stage);
    followPointer();
    choose(0);
  }

  begin();
  window.descent = {
    data, state, choose,
    run: (settings) => {
      Object.assign(state, settings);
      const path = descended(state.start, state);
      const [kind, reason] = verdictOf(path);
      return { ...path, kind, reason, ...limitOf(path, kind) };
    },
    get latest() { return views.latest; },
  };
})();
