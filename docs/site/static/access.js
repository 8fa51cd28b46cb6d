// What the pages of the theme lack for those who use a keyboard or a screen reader.

function label(selector, text) {
  document.querySelector(selector)?.setAttribute("aria-label", text);
}

// What scrolls is reached by the keyboard.
function reach() {
  for (const part of document.querySelectorAll("pre, div.math, .table-wrapper, .content")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
}

label("aside.sidebar-drawer", "All pages");
label("aside.toc-drawer", "On this page");
for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
for (const link of document.querySelectorAll(".sphx-glr-thumbcontainer a")) link.ariaLabel = link.textContent;
for (const head of document.querySelectorAll("th")) {
  if (!head.textContent.trim()) head.replaceWith(document.createElement("td"));
}
if (!document.querySelector("h1")) { // the page of the search
  const title = document.createElement("h1");
  title.textContent = "Search";
  document.querySelector("article")?.prepend(title);
}
reach();
window.addEventListener("resize", reach);
