// Shared by the pages that ask for numbers: buttons, and reading a typed answer.
const answers = (() => {
  const UNREADABLE = "Write a number, such as -0.5, 1e-3 or -1/2.";

  function button(attributes, parent, text, act) {
    const made = element("button", { type: "button", ...attributes }, parent, text);
    made.addEventListener("click", act);
    return made;
  }

  // The number in a text: 0.5, 1e-3, -1/2, and 0,5 with a decimal comma. NaN for other texts.
  function parsed(text) {
    const number = String.raw`[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?`;
    const form = new RegExp(`^(${number})(?:/(${number}))?$`, "i");
    const found = form.exec(text.replace(/\s/g, "").replaceAll("−", "-"));
    if (!found) return NaN;
    const [above, below] = found.slice(1).map((x) => Number((x ?? "1").replace(",", ".")));
    return above / below;
  }

  function isClose(answer, right, [relative, absolute]) {
    return Math.abs(answer - right) <= Math.max(absolute, relative * Math.abs(right));
  }

  // Whether a key that is pressed outside of a field could begin a number.
  function startsNumber(event) {
    const isTyping = event.target.closest("input:not([type=range]), select, textarea");
    const isCommand = event.ctrlKey || event.metaKey || event.altKey;
    return !isTyping && !isCommand && /^[-+−.,\d]$/.test(event.key);
  }

  // Enter in the field and a click on the button check the answer. There is no <form>: the frame of a
  // notebook does not allow one to be sent.
  function onAnswer(field, check, act) {
    check.addEventListener("click", act);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      act();
    });
  }

  return { UNREADABLE, onAnswer, button, parsed, isClose, startsNumber };
})();
