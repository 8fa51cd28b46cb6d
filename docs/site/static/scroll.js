// What scrolls is reached by the keyboard.

function reach() {
  for (const part of document.querySelectorAll("pre, div.math, .table-wrapper, .content")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
}

reach();
window.addEventListener("resize", reach);
