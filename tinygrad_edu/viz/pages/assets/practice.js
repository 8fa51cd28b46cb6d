// Asks for gradients of one small graph after another, and remembers right and wrong answers.
(() => {
  const { UNREADABLE, button, parsed, isClose, onAnswer, startsNumber } = answers;
  const data = JSON.parse(byId("data").textContent);
  const levels = data.levels.filter((level) => level.exercises.length);
  const STORE = "tinygrad_edu.practice";
  const ENOUGH = 3; // right answers in a row that complete a level
  const LINE = 18; // between lines of text in a box
  const memory = remembered();
  let level = null; // of the graph that is shown
  let exercise = null;
  let turn = 0; // which question of the exercise is asked
  let state = null; // of this question: its outcome, the hints shown, the verdict

  // What is remembered from visit to visit

  function remembered() {
    const none = (names, x) => Object.fromEntries(names.map((name) => [name, x]));
    const fresh = {
      level: "", streak: 0, best: 0,
      kinds: none(Object.keys(data.kinds), 0),
      levels: none(data.levels.map((each) => each.name), { place: 0, asked: 0, right: 0, row: 0 }),
    };
    return restored(fresh, withStorage((storage) => JSON.parse(storage.getItem(STORE))));
  }

  // `fresh` with each part replaced by the stored one, if that has the same type: the storage may be
  // damaged.
  function restored(fresh, known) {
    if (typeof fresh === "number") return Number.isSafeInteger(known) && known >= 0 ? known : fresh;
    if (typeof fresh === "string") return typeof known === "string" ? known : fresh;
    return Object.fromEntries(Object.entries(fresh).map(([name, x]) => [name, restored(x, known?.[name])]));
  }

  function remember() {
    withStorage((storage) => storage.setItem(STORE, JSON.stringify(memory)));
  }

  // What comes next

  function question() {
    return exercise.questions[turn];
  }

  function worstKind() {
    const made = Object.keys(memory.kinds).filter((kind) => memory.kinds[kind] > 0);
    return made.sort((a, b) => memory.kinds[b] - memory.kinds[a])[0];
  }

  function levelAgainst(kind) {
    return data.levels.find((each) => each.kinds.includes(kind));
  }

  // The first level that is not completed; if all are, the one with the fewest questions asked.
  function nextLevel() {
    const open = levels.find((each) => memory.levels[each.name].row < ENOUGH);
    const asked = (each) => memory.levels[each.name].asked;
    return open ?? [...levels].sort((a, b) => asked(a) - asked(b))[0];
  }

  function chooseLevel() {
    const chosen = levels.find((each) => each.name === memory.level);
    if (chosen || levels.length === 1) return chosen ?? levels[0];
    const worst = worstKind();
    const against = worst && memory.kinds[worst] > 1 && levelAgainst(worst);
    return against && levels.includes(against) ? against : nextLevel();
  }

  function goOnward() {
    if (exercise && turn + 1 < exercise.questions.length && isWanted(level)) turn += 1;
    else open();
    ask();
  }

  function isWanted({ name }) {
    return memory.level === "" || memory.level === name;
  }

  function open() {
    level = chooseLevel();
    const known = memory.levels[level.name];
    exercise = level.exercises[known.place % level.exercises.length];
    known.place += 1;
    turn = 0;
    remember();
  }

  function ask() {
    state = { outcome: null, hints: 0, verdict: "", isFirst: true };
    byId("answer").value = "";
    draw();
    show();
    byId("answer").focus({ preventScroll: true });
    byId("panel").scrollTop = 0;
  }

  // Answers

  function check() {
    if (state.outcome !== null) return;
    const answer = parsed(byId("answer").value);
    if (!Number.isFinite(answer)) {
      state.verdict = UNREADABLE;
    } else if (isClose(answer, question().answer, data.tolerance)) {
      solve("right");
      return;
    } else {
      const mistake = question().mistakes.find(([wrong]) => isClose(answer, wrong, data.tolerance));
      state.verdict = mistake ? data.reasons[mistake[1]] : "Not right yet.";
      if (mistake) memory.kinds[mistake[2]] += 1;
      miss();
    }
    show();
    byId("answer").select();
  }

  // The first wrong answer to a question ends the streak. Showing the answer does so, too.
  function miss() {
    if (state.isFirst) {
      memory.streak = memory.levels[level.name].row = 0;
      state.isFirst = false;
    }
    remember();
  }

  function solve(outcome) {
    state.outcome = outcome;
    const known = memory.levels[level.name];
    known.asked += 1;
    if (outcome === "shown") miss();
    else known.right += 1;
    if (outcome === "right" && state.isFirst) {
      memory.streak += 1;
      known.row += 1;
      memory.best = Math.max(memory.best, memory.streak);
      // Each kind of mistake that this question invites, and that was not made, counts one less.
      for (const kind of new Set(question().mistakes.map((mistake) => mistake[2]))) {
        if (memory.kinds[kind] > 0) memory.kinds[kind] -= 1;
      }
    }
    const digits = Number(question().answer.toPrecision(4));
    state.verdict = `${outcome === "right" ? "Right: " : ""}${question().text} = ${digits}`;
    state.hints = question().solution.length;
    remember();
    draw();
    show();
    byId("onward").focus();
  }

  // What is shown

  function show() {
    const { outcome, verdict } = state;
    byId("badge").textContent = level.title;
    byId("streak").textContent = `streak ${memory.streak}, best ${memory.best}`;
    byId("asked").textContent = `${question().text} =`;
    byId("verdict").textContent = verdict;
    byId("verdict").className = outcome === null && verdict ? "wrong" : outcome ?? "";
    byId("answer").readOnly = byId("check").disabled = byId("reveal").disabled = outcome !== null;
    byId("onward").textContent = outcome === null ? "Skip" : "Next";
    byId("hint").disabled = outcome !== null || state.hints === question().solution.length;
    byId("help").textContent = "Write a number such as -0.5 or -1/2, and press Enter. An answer within 1 % is right."
      + (question().text.endsWith("]") ? " Rows and columns are counted from 0." : "");
    showHints();
    showAdvice();
    showProgress();
  }

  // The steps of the backward pass that lead to the answer. The number of the last one is hidden until
  // the question is answered.
  function showHints() {
    const { solution } = question();
    byId("hints").replaceChildren();
    solution.slice(0, state.hints).forEach(([symbols, numbers], i) => {
      const isLast = i === solution.length - 1;
      const text = isLast && state.outcome === null ? symbols : symbols + numbers;
      element("li", isLast ? { class: "last" } : {}, byId("hints"), text);
    });
  }

  function showAdvice() {
    const worst = worstKind();
    const isDone = memory.levels[level.name].row >= ENOUGH;
    const next = worst ? levelAgainst(worst) : isDone ? nextLevel() : null;
    byId("advice").replaceChildren();
    if (!next || (!worst && next === level)) return;
    const why = worst ? data.kinds[worst] : `${ENOUGH} right in a row in ${level.title}.`;
    const line = element("p", {}, byId("advice"));
    const what = next === level ? "Stay with" : "Practise next:";
    element("strong", {}, line, `${what} ${next.title}. `);
    line.append(why);
    if (levels.includes(next) && next !== level) {
      button({ id: "next-level" }, byId("advice"), `Go to ${next.title}`, () => choose(next.name));
    }
  }

  function showProgress() {
    byId("progress").querySelector("table")?.remove();
    const table = element("table", {}, byId("progress"));
    for (const { name, title } of levels) {
      const { right, asked, row } = memory.levels[name];
      const line = element("tr", {}, table);
      element("th", { scope: "row", ...(row >= ENOUGH ? { class: "done" } : {}) }, line, title);
      element("td", {}, line, asked ? `${right} of ${asked}` : "");
    }
  }

  function showRules() {
    const list = element("dl", {}, byId("rulebook"));
    for (const { title, made, rules } of data.rules) {
      element("dt", {}, list, title);
      element("dd", {}, list, made.join(", "));
      for (const rule of rules) element("dd", { class: "rules" }, list, rule);
    }
    element("p", { class: "hint" }, byId("rulebook"), "[x > 0] is 1 where x is positive, else 0; xᵀ is the "
      + "transpose of x; sum is over the axes that were broadcast.");
  }

  // The graph

  function draw() {
    const [width, height] = exercise.size;
    byId("stage").replaceChildren();
    const picture = svg("svg", { id: "graph", viewBox: `0 0 ${width} ${height}` }, byId("stage"));
    picture.style.maxWidth = `${1.6 * width}px`;
    picture.style.maxHeight = `${1.6 * height}px`;
    const tip = svg("marker", {
      id: "arrowhead", viewBox: "0 0 9 9", refX: 9, refY: 4.5, markerWidth: 9, markerHeight: 9,
      markerUnits: "userSpaceOnUse", orient: "auto",
    }, svg("defs", {}, picture));
    svg("path", { d: "M0 0L9 4.5L0 9z" }, tip);
    for (const d of exercise.edges) svg("path", { class: "edge", d, "marker-end": "url(#arrowhead)" }, picture);
    exercise.nodes.forEach((node, i) => drawNode(node, i, picture));
  }

  function drawNode({ role, lines, box: [x, y, w, h] }, i, parent) {
    const isAsked = i === question().node;
    const g = svg("g", { class: `${role}${isAsked ? " asked" : ""}`, role: "img" }, parent);
    g.setAttribute("aria-label", lines.join(" ") + (isAsked ? ", asked" : ""));
    svg("rect", { class: "box", x: x - w / 2, y: y - h / 2, width: w, height: h, rx: lines[0].includes(" = ") && lines[1] ? 9 : 2 }, g);
    lines.forEach((line, k) => {
      const at = y + 4.5 + (k - (lines.length - 1) / 2) * LINE;
      svg("text", { class: k ? "value" : "title", x, y: at }, g, line);
    });
    if (isAsked) drawSought(x + w / 2, y - h / 2, g);
  }

  // A question mark, or the answer, at the corner of the box.
  function drawSought(x, y, parent) {
    const isKnown = state.outcome !== null && !question().text.endsWith("]");
    const text = isKnown ? String(Number(question().answer.toPrecision(4))) : "?";
    const width = 12 + 8 * text.length;
    const sought = svg("g", { class: "sought" }, parent);
    svg("rect", { x: x - width + 6, y: y - 15, width, height: 20, rx: 10 }, sought);
    svg("text", { x: x + 6 - width / 2, y: y - 0.5 }, sought, text);
  }

  // Choices

  function choose(name) {
    memory.level = byId("level").value = name;
    remember();
    open();
    ask();
  }

  function showLevels() {
    const select = byId("level");
    if (levels.length > 1) element("option", { value: "" }, select, "automatic");
    for (const { name, title } of levels) element("option", { value: name }, select, title);
    if (!levels.some((each) => each.name === memory.level)) memory.level = "";
    select.value = levels.length > 1 ? memory.level : levels[0].name;
    select.addEventListener("change", () => choose(select.value));
  }

  // A section that opens low in the panel would be out of view: scroll it to the top.
  function makeRoomFor(details) {
    const panel = byId("panel");
    const below = details.getBoundingClientRect().top - panel.getBoundingClientRect().top;
    if (below > panel.clientHeight / 2) panel.scrollBy(0, below);
  }

  function onKey(event) {
    if (startsNumber(event) && state.outcome === null) byId("answer").focus(); // and it is typed there
  }

  function start() {
    showLevels();
    showRules();
    onAnswer(byId("answer"), byId("check"), check);
    byId("hint").addEventListener("click", () => { state.hints += 1; show(); });
    byId("reveal").addEventListener("click", () => solve("shown"));
    byId("onward").addEventListener("click", goOnward);
    for (const each of document.querySelectorAll("details")) {
      each.addEventListener("toggle", () => each.open && makeRoomFor(each));
    }
    document.addEventListener("keydown", onKey);
    goOnward();
  }

  window.practice = { memory, get question() { return question(); }, get level() { return level.name; } };
  start();
})();
