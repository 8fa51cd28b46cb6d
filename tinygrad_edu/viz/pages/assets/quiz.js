// Asks for predictions, then for gradients. Each step of the page that has a question shows a form in
// the panel. The quiz ends with a summary of the mistakes.
(() => {
  const { player } = window;
  const { button, parsed, isClose, onAnswer, startsNumber } = answers;
  const { kinds, tolerance } = player.data;
  const stops = player.steps.map((_, i) => i).filter((i) => player.steps[i].question);
  const progress = new Map();
  const hidden = new Map(); // the gradients to find, by node
  const part = {};
  let asked = null; // the stop whose question is shown
  let isOver = false; // whether the summary is shown

  function questionAt(stop) {
    return player.steps[stop].question;
  }

  // Clears all answers, and hides the gradients in the graph.
  function begin() {
    for (const stop of stops) {
      progress.set(stop, { outcome: null, hints: 0, verdict: "", answer: "", mistakes: [] });
      const node = player.data.nodes[player.steps[stop].node];
      if (!hidden.has(node.id)) {
        hidden.set(node.id, { gradient: node.gradient, gradients: node.gradients });
      }
      Object.assign(node, { gradient: null, gradients: null });
    }
    isOver = false;
  }

  function build() {
    const quiz = element("section", { id: "quiz", "aria-label": "Question" });
    part.now = document.getElementById("now");
    part.now.after(quiz);
    const phase = element("p", { class: "phase" }, quiz);
    part.badge = element("span", { class: "badge back" }, phase);
    part.score = element("span", { id: "score" }, phase);
    part.form = element("div", { class: "asking" }, quiz);
    part.label = element("label", { for: "answer" }, part.form);
    part.answer = element("input", {
      id: "answer", autocomplete: "off", spellcheck: "false", "aria-describedby": "verdict",
    }, part.form);
    part.check = element("button", { id: "check", type: "button" }, part.form, "Check");
    part.prediction = element("p", { id: "prediction" }, quiz);
    part.choices = element("div", { id: "choices", role: "group", "aria-labelledby": "prediction" }, quiz);
    part.verdict = element("p", { id: "verdict", role: "status" }, quiz);
    part.buttons = element("p", { class: "buttons" }, quiz);
    part.hint = button({ id: "hint" }, part.buttons, "Hint", showHint);
    part.reveal = button({ id: "reveal" }, part.buttons, "Show the answer", () => solve("shown"));
    part.onward = button({ id: "onward" }, part.buttons, "Next question", goOnward);
    part.hints = element("ol", { id: "hints", "aria-live": "polite", "aria-label": "Hints" }, quiz);
    part.help = element("p", { class: "hint" }, quiz);
    part.summary = element("div", { id: "summary", tabindex: "-1" }, quiz);
    onAnswer(part.answer, part.check, check);
  }

  function check() {
    const question = questionAt(asked);
    const state = progress.get(asked);
    if (state.outcome !== null) return;
    state.answer = part.answer.value;
    const answer = parsed(state.answer);
    if (isClose(answer, question.answer, tolerance)) {
      solve("right");
      return;
    }
    if (Number.isFinite(answer)) {
      const mistake = question.mistakes.find((x) => isClose(answer, x.answer, tolerance));
      state.verdict = mistake?.reason ?? "Not right yet.";
      state.mistakes.push({ kind: mistake?.kind, text: `${state.answer.trim()}: ${state.verdict}` });
    } else {
      state.verdict = answers.UNREADABLE;
    }
    show();
    part.answer.select();
  }

  // Shows the gradient, in the graph too.
  function solve(outcome) {
    const { question, node } = player.steps[asked];
    const digits = Number(question.answer.toPrecision(4));
    const state = progress.get(asked);
    state.outcome = outcome;
    state.verdict = `${outcome === "right" ? "Right: " : ""}${question.text} = ${digits}`;
    Object.assign(player.data.nodes[node], hidden.get(node));
    player.redraw();
    show();
    part.onward.focus();
  }

  function predict(choice) {
    const question = questionAt(asked);
    const state = progress.get(asked);
    if (state.outcome !== null) return;
    const isRight = choice === question.right;
    state.answer = choice;
    state.outcome = isRight ? "right" : "wrong";
    state.verdict = `${isRight ? "Right. " : ""}${question.reason}`;
    if (!isRight) {
      const said = question.choices[choice].toLowerCase();
      state.mistakes.push({ kind: "prediction", text: `Not “${said}”. ${question.reason}` });
    }
    show();
    part.onward.focus();
  }

  function showHint() {
    progress.get(asked).hints += 1;
    show();
  }

  function openStops() {
    return stops.filter((i) => progress.get(i).outcome === null);
  }

  function goOnward() {
    const open = openStops();
    if (!open.length) {
      end();
      return;
    }
    player.go(open.find((i) => i > player.step) ?? open[0]);
    focus();
  }

  // Keys go to the answer. Nothing moves the focus while the steps play.
  function focus() {
    const state = progress.get(asked);
    if (!state || state.outcome !== null || player.isPlaying) return;
    const first = questionAt(asked).choices ? part.choices.firstChild : part.answer;
    first.focus({ preventScroll: true });
  }

  function show() {
    const outcomes = [...progress.values()].map((state) => state.outcome);
    const counts = ["right", "wrong", "shown"].map((x) => [outcomes.filter((y) => y === x).length, x]);
    part.score.textContent = counts.filter(([n, x]) => n || x === "right").map((x) => x.join(" ")).join(", ");
    const state = isOver ? undefined : progress.get(asked);
    const question = state && questionAt(asked);
    const isNumber = Boolean(question && !question.choices);
    part.badge.textContent = state ? `Question ${stops.indexOf(asked) + 1} of ${stops.length}` : "Quiz";
    part.now.hidden = Boolean(state) || isOver;
    part.form.hidden = part.hint.hidden = part.reveal.hidden = part.hints.hidden = !isNumber;
    part.prediction.hidden = part.choices.hidden = !question?.choices;
    part.help.hidden = !state;
    part.summary.hidden = !isOver;
    part.verdict.textContent = state?.verdict ?? "";
    part.verdict.className = state?.outcome === null && state.verdict ? "wrong" : state?.outcome ?? "";
    part.verdict.hidden = isOver;
    part.buttons.hidden = isOver;
    part.onward.textContent = openStops().length ? (state ? "Next question" : "Go to the questions") : "Summary";
    if (isNumber) showNumber(question, state);
    else if (question) showChoices(question, state);
  }

  function showNumber(question, state) {
    part.hints.replaceChildren();
    question.hints.slice(0, state.hints).forEach((hint) => element("li", {}, part.hints, hint));
    part.label.textContent = `${question.text} =`;
    part.answer.readOnly = part.check.disabled = part.reveal.disabled = state.outcome !== null;
    part.hint.disabled = state.outcome !== null || state.hints === question.hints.length;
    part.help.textContent = "Write a number such as -0.5, 1e-3 or -1/2. An answer within 1 % is right. "
      + `${POINT} a node to see its numbers.`;
  }

  function showChoices(question, state) {
    part.prediction.textContent = question.text;
    part.choices.replaceChildren();
    question.choices.forEach((choice, i) => {
      const made = button({}, part.choices, "", () => predict(i));
      element("span", { class: "key", "aria-hidden": "true" }, made, String(i + 1));
      made.append(choice);
      made.disabled = state.outcome !== null;
      if (state.outcome !== null && i === question.right) made.classList.add("right");
      else if (state.answer === i) made.classList.add("wrong");
    });
    part.help.textContent = "You do not need to compute: only say how it changes. The keys 1 to 4 choose an answer.";
  }

  // The end

  function end() {
    isOver = true;
    player.pause();
    show();
    showSummary();
    part.summary.focus({ preventScroll: true });
    document.getElementById("panel").scrollTop = 0;
  }

  function showSummary() {
    const states = [...progress.values()];
    const right = states.filter((x) => x.outcome === "right");
    const atOnce = right.filter((x) => !x.mistakes.length && !x.hints).length;
    part.summary.replaceChildren();
    element("h2", {}, part.summary, "Summary");
    const whenAtOnce = `, ${atOnce === right.length ? "all" : atOnce || "none"} of them on the first try and without a hint`;
    element("p", {}, part.summary, `${right.length} of ${states.length} right${right.length ? whenAtOnce : ""}.`);
    const rows = stops.filter((stop) => progress.get(stop).mistakes.length || progress.get(stop).outcome === "shown");
    if (rows.length) {
      element("h2", {}, part.summary, "Mistakes");
      const list = element("dl", { id: "mistakes" }, part.summary);
      rows.forEach((stop) => listMistakes(stop, list));
    }
    const again = kindsMade(states);
    if (again.length) {
      element("h2", {}, part.summary, "Study again");
      const list = element("ul", { id: "again" }, part.summary);
      again.forEach((kind) => element("li", {}, list, kinds[kind]));
    }
    if (!rows.length) element("p", {}, part.summary, "No mistakes.");
    button({ id: "restart" }, part.summary, "Start over", startOver);
  }

  function listMistakes(stop, list) {
    const { mistakes, outcome } = progress.get(stop);
    button({}, element("dt", {}, list), questionAt(stop).text, () => goTo(stop));
    mistakes.forEach((mistake) => element("dd", {}, list, mistake.text));
    if (outcome === "shown") element("dd", {}, list, "The answer was shown.");
  }

  // The kinds of the mistakes, the most frequent first.
  function kindsMade(states) {
    const made = states.flatMap((state) => state.mistakes.map((x) => x.kind)).filter(Boolean);
    const count = (kind) => made.filter((x) => x === kind).length;
    return [...new Set(made)].sort((a, b) => count(b) - count(a));
  }

  function startOver() {
    begin();
    part.answer.value = "";
    player.redraw();
    goTo(stops[0]);
  }

  function goTo(stop) {
    isOver = false;
    player.go(stop);
    show();
    focus();
  }

  function turn() {
    if (asked !== null && progress.has(asked) && !questionAt(asked).choices) {
      progress.get(asked).answer = part.answer.value;
    }
    asked = player.step;
    isOver = false;
    part.answer.value = progress.get(asked)?.answer ?? "";
    show();
    if (!document.activeElement.closest("#controls")) focus();
  }

  // In the player + and - zoom. While a question is shown, they begin an answer.
  function onKey(event) {
    const { key } = event;
    const state = isOver ? undefined : progress.get(asked);
    if (!state || !startsNumber(event)) return;
    event.stopPropagation();
    if (state.outcome !== null) return;
    if (!questionAt(asked).choices) {
      part.answer.focus(); // and the key is typed there
    } else if (questionAt(asked).choices[key - 1]) {
      event.preventDefault();
      predict(key - 1);
    }
  }

  begin();
  build();
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("step", (event) => {
    if (event.detail !== asked) turn();
  });
  player.go(stops[0]);
})();
