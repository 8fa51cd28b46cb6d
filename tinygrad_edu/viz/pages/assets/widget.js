// In a notebook the kernel computes. One question waits for its answer at a time; of the questions asked
// meanwhile, only the latest is sent.
const WORDS = { nan: NaN, inf: Infinity, "-inf": -Infinity };

function numbers(xs) {
  return xs.map((x) => (x === null ? undefined : WORDS[x] ?? x));
}

function render({ model, el }) {
  const me = String(Math.random()); // several cells may show the same widget
  const host = element("div", { "data-lm-suppress-shortcuts": "true" }, el); // else x cuts a cell in JupyterLab
  const root = host.attachShadow({ mode: "open" });
  let explorer = null;
  let graph = null; // the graph that is drawn
  let asked = 0;
  let isWaiting = false;
  let next = null;
  let width = 0;

  function ask(question) {
    next = question;
    if (!isWaiting) send();
  }

  function send() {
    isWaiting = next !== null;
    if (isWaiting) model.send({ ...next, asker: me, number: ++asked });
    next = null;
  }

  function receive() {
    if (!explorer) return;
    const answer = model.get("answer");
    const sides = answer.sides.map(({ step, ends }) => ({ step, ends: numbers(ends) }));
    const found = { ...answer, sides, out: numbers(answer.out), curve: numbers(answer.curve) };
    if (model.get("graph") !== graph) {
      graph = model.get("graph");
      explorer.redraw(graph);
    }
    if (answer.asker === me) {
      explorer.show(found);
      send();
    } else {
      explorer.follow(found);
      if (answer.low === null) explorer.change(); // for a curve in the range of the slider
    }
  }

  function start() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    graph = model.get("graph");
    const header = element("header", {}, root);
    element("h1", {}, header, graph.title);
    element("button", { id: "reset", type: "button" }, header, "Reset");
    element("main", {}, root);
    explorer = graphExplorer(root, graph, ask);
    receive();
  }

  // Starts once the widget has a size: before it is shown, nothing can be measured.
  function measure() {
    if (!host.clientWidth || host.clientWidth === width) return;
    width = host.clientWidth;
    const light = getComputedStyle(el).color.match(/[\d.]+/g).slice(0, 3).reduce((sum, x) => sum + Number(x), 0);
    host.style.colorScheme = light > 384 ? "dark" : "light"; // light text: the notebook is dark
    if (explorer) explorer.resize();
    else start();
  }

  const observer = new ResizeObserver(() => requestAnimationFrame(measure));
  observer.observe(host);
  host.addEventListener("keydown", (event) => event.stopPropagation());
  model.on("change:answer", receive);
  return () => {
    observer.disconnect();
    model.off("change:answer", receive);
  };
}

export default { render };
