// A player in a page is as light or dark as the page around it, also when the reader switches.

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const chosen = document.body.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return darkSystem.matches ? "dark" : "light";
}

function tell(frame) {
  frame.contentWindow?.postMessage({ theme: theme() }, "*"); // the frame has no origin of its own
}

// The frame of the landing page plays by itself, unless the reader wants no motion.
function start() {
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const frame = document.querySelector(".plays") && document.querySelector("iframe");
  if (frame && !isStill) frame.contentWindow.postMessage({ play: true }, "*");
}

function tellAll() {
  document.querySelectorAll("iframe").forEach(tell);
}

for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => tell(frame));
}
window.addEventListener("load", start);
tellAll();
new MutationObserver(tellAll).observe(document.body, { attributeFilter: ["data-theme"] });
darkSystem.addEventListener("change", tellAll);
