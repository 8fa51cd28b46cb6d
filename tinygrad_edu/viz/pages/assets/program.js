// A page in a file computes its numbers by the program of the forward and the backward pass.
(() => {
  const data = JSON.parse(byId("data").textContent);
  const run = programs[0](ofPython);
  const POINTS = 201; // of the curve

  function computed(point) {
    const out = [];
    let stop = null;
    try {
      run(...point, out);
    } catch (error) {
      stop = error;
    }
    return { out, stop };
  }

  function rootAt(values, input, x) {
    const point = [...values];
    point[input] = x;
    return computed(point).out[data.root];
  }

  // The root at x - step and x + step, for the measured slope.
  function around(values, input, h) {
    const x = values[input];
    const step = h * Math.max(1, Math.abs(x));
    return { step, ends: [x - step, x + step].map((there) => rootAt(values, input, there)) };
  }

  function answered(question) {
    const { values, held, h, low, high } = question;
    const { out, stop } = computed(values);
    const curve = Array.from({ length: POINTS }, (_, i) => rootAt(values, held, low + (i / (POINTS - 1)) * (high - low)));
    const sides = values.map((_, k) => around(values, k, h));
    return { ...question, out, sides, curve, reason: reasonOf(stop) };
  }

  function reasonOf(stop) {
    if (stop === null) return "";
    if (stop.guard === undefined) return `At these inputs, Python raises ${stop.message}. The numbers after it are not known.`;
    const { question, answer } = data.guards[stop.guard];
    const [before, now] = answer === true ? ["true", "false"] : answer === false ? ["false", "true"] : [answer, "another"];
    return `At these inputs, the function takes another branch: “${question}” was ${before} when this graph `
      + `was made, and is ${now} now. The numbers after it are not known.`;
  }

  const explorer = graphExplorer(document, data, (question, show) => show(answered(question)));
  explorer.change();
  workbench.keepClearOf(byId("drawing"));
  window.addEventListener("resize", explorer.resize);
  window.explorer = {
    data, computed,
    get values() { return [...explorer.values]; },
    slopeOf: (k) => explorer.measured(around(explorer.values, k, 1e-5)).slope,
    take: explorer.take,
  };
})();
