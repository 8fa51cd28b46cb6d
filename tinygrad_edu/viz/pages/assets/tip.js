// A few words at the pointer.

const tip = html("div", "", document.body);
tip.id = "tip";
tip.hidden = true;

// words(event) says what to show; null if nothing is there.
function explain(element, words) {
  element.addEventListener("pointermove", (event) => showTip(words(event), event));
  element.addEventListener("pointerleave", () => showTip(null));
}

function showTip(text, event) {
  tip.hidden = text === null;
  if (text === null) return;
  tip.textContent = text;
  const { width, height } = tip.getBoundingClientRect();
  const above = event.clientY - height - 14;
  tip.style.left = `${Math.max(4, Math.min(innerWidth - width - 4, event.clientX - width / 2))}px`;
  tip.style.top = `${above > 4 ? above : event.clientY + 20}px`;
}
