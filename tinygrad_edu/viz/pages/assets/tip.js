// A tooltip: a few words at the pointer.

const tip = html("div", "", document.body);
tip.id = "tip";
tip.hidden = true;

let pointing = null; // the element under the pointer, its words, and the last pointer event there

// words(event) returns the text to show; null for none.
function explain(element, words) {
  element.addEventListener("pointermove", (event) => {
    pointing = { element, words, event };
    retell();
  });
  element.addEventListener("pointerleave", () => {
    pointing = null;
    retell();
  });
}

// Called at each step too: numbers change and tables disappear under a pointer that does not move.
function retell() {
  if (!pointing?.element.isConnected) pointing = null;
  showTip(pointing && pointing.words(pointing.event), pointing?.event);
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
