"use strict";
// Asks for the gradients: each step of the page that has a question shows a form in the panel.
(() => {
  const { player } = window;
  const [relative, absolute] = player.data.tolerance;
  const stops = player.steps.map((_, i) => i).filter((i) => player.steps[i].question);
  const progress = new Map(stops.map((i) => [i, { outcome: null, hints: 0, verdict: "", answer: "" }]));
  const hidden = new Map(); // the gradients to find, by node
  const part = {};
  let asked = null; // the stop whose question is on show

  function element(tag, attributes, parent, text) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    parent?.append(made);
    return made;
  }

  function hide() {
    for (const { node } of stops.map((i) => player.steps[i])) {
      const { gradient, gradients } = player.data.nodes[node];
      hidden.set(node, { gradient, gradients });
      Object.assign(player.data.nodes[node], { gradient: null, gradients: null });
    }
  }

  function build() {
    const quiz = element("section", { id: "quiz", "aria-label": "Question" });
    part.now = document.getElementById("now");
    part.now.after(quiz);
    const phase = element("p", { class: "phase" }, quiz);
    part.badge = element("span", { class: "badge back" }, phase);
    part.score = element("span", { id: "score" }, phase);
    part.form = element("form", { novalidate: "" }, quiz);
    part.label = element("label", { for: "answer" }, part.form);
    part.answer = element("input", {
      id: "answer", autocomplete: "off", spellcheck: "false", "aria-describedby": "verdict",
    }, part.form);
    part.check = element("button", { id: "check" }, part.form, "Check");
    part.verdict = element("p", { id: "verdict", role: "status" }, quiz);
    part.buttons = element("p", { class: "buttons" }, quiz);
    part.hint = button("hint", "Hint", showHint);
    part.reveal = button("reveal", "Show the answer", () => solve("shown"));
    part.onward = button("onward", "Next question", goOnward);
    part.hints = element("ol", { id: "hints", "aria-live": "polite", "aria-label": "Hints" }, quiz);
    part.help = element("p", { class: "hint" }, quiz, "Write a number such as -0.5, 1e-3 or -1/2; "
      + "within 1 % is right. Point at a node for its numbers.");
    part.form.addEventListener("submit", check);
  }

  function button(id, text, act) {
    const made = element("button", { id, type: "button" }, part.buttons, text);
    made.addEventListener("click", act);
    return made;
  }

  // 0.5, 1e-3, -1/2 and 0,5 are numbers.
  function parsed(text) {
    const number = String.raw`[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?`;
    const form = new RegExp(`^(${number})(?:/(${number}))?$`, "i");
    const found = form.exec(text.replace(/\s/g, "").replaceAll("−", "-"));
    if (!found) return NaN;
    const [above, below] = found.slice(1).map((x) => Number((x ?? "1").replace(",", ".")));
    return above / below;
  }

  function isClose(answer, right) {
    return Math.abs(answer - right) <= Math.max(absolute, relative * Math.abs(right));
  }

  function check(event) {
    event.preventDefault();
    const { question } = player.steps[asked];
    const state = progress.get(asked);
    state.answer = part.answer.value;
    const answer = parsed(state.answer);
    if (isClose(answer, question.answer)) {
      solve("right");
      return;
    }
    const mistake = question.mistakes.find((x) => isClose(answer, x.answer));
    const unreadable = "Write a number, such as -0.5, 1e-3 or -1/2.";
    state.verdict = Number.isFinite(answer) ? mistake?.reason ?? "Not yet." : unreadable;
    show();
    part.answer.select();
  }

  // The gradient is known from now on, in the graph too.
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

  function showHint() {
    progress.get(asked).hints += 1;
    show();
  }

  function goOnward() {
    const open = stops.filter((i) => progress.get(i).outcome === null);
    player.go(open.find((i) => i > player.step) ?? open[0]);
    part.answer.focus();
  }

  function show() {
    const outcomes = [...progress.values()].map((state) => state.outcome);
    const [right, shown] = ["right", "shown"].map((x) => outcomes.filter((y) => y === x).length);
    part.score.textContent = `${right} right` + (shown ? `, ${shown} shown` : "");
    part.onward.hidden = !outcomes.includes(null);
    const state = progress.get(asked);
    part.badge.textContent = state ? `Question ${stops.indexOf(asked) + 1} of ${stops.length}` : "Quiz";
    part.now.hidden = Boolean(state);
    part.form.hidden = part.help.hidden = part.hint.hidden = part.reveal.hidden = !state;
    part.verdict.textContent = state?.verdict ?? "";
    part.verdict.className = state?.outcome === null && state.verdict ? "wrong" : state?.outcome ?? "";
    part.onward.textContent = state ? "Next question" : "To the questions";
    part.hints.replaceChildren();
    if (!state) return;
    const { question } = player.steps[asked];
    question.hints.slice(0, state.hints).forEach((hint) => element("li", {}, part.hints, hint));
    part.label.textContent = `${question.text} =`;
    part.answer.readOnly = part.check.disabled = part.reveal.disabled = state.outcome !== null;
    part.hint.disabled = state.outcome !== null || state.hints === question.hints.length;
  }

  function turn() {
    if (asked !== null && progress.has(asked)) progress.get(asked).answer = part.answer.value;
    asked = player.step;
    part.answer.value = progress.get(asked)?.answer ?? "";
    show();
  }

  hide();
  build();
  document.addEventListener("step", (event) => {
    if (event.detail !== asked) turn();
  });
  player.go(stops[0]);
})();
