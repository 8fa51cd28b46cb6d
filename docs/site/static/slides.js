// The page "Slides" shows one of its sections at a time, in full screen: #slide-7 is the seventh.

(() => {
  "use strict";
  const deck = document.querySelector("section#slides:has(> h1)");
  if (!deck) return;
  const slides = [...deck.querySelectorAll(":scope > section")];
  const count = element("output");
  const bar = element("nav", "", "slides");
  let shown = -1; // the page is an ordinary one
  let touched = null;

  function element(name, text = "", label = "", act = null) {
    const made = document.createElement(name);
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    if (act) made.addEventListener("click", act);
    return made;
  }

  // A picture that is not wide stands beside the words, and a page to play with is scaled to its
  // room; but not in a window that is high, as that of a phone.
  function fit(slide) {
    const wide = innerWidth > innerHeight;
    const picture = slide.querySelector(":scope > p > img");
    const frame = slide.querySelector("iframe");
    slide.classList.toggle("beside", wide && picture?.naturalWidth < 1.8 * picture?.naturalHeight);
    if (!frame) return;
    const { clientWidth: width, clientHeight: height } = frame.parentElement;
    frame.style.setProperty("--scale", wide ? Math.min(width / 1320, height / 690) : 1);
  }

  function show(i) {
    shown = Math.min(Math.max(i, 0), slides.length - 1);
    slides.forEach((slide, k) => slide.classList.toggle("shown", k === shown));
    document.body.classList.add("presenting");
    fit(slides[shown]);
    count.textContent = `${shown + 1} / ${slides.length}`;
    history.replaceState(null, "", `#slide-${shown + 1}`);
  }

  function leave() {
    if (shown < 0) return;
    const last = slides[shown];
    shown = -1;
    document.body.classList.remove("presenting");
    last.classList.remove("shown");
    history.replaceState(null, "", `#${last.id}`);
    if (document.fullscreenElement) document.exitFullscreen();
    last.scrollIntoView();
  }

  function present() {
    document.documentElement.requestFullscreen?.().catch(() => {}); // else it fills the window
    show(0);
  }

  function follow() {
    const slide = /^#slide-(\d+)$/.exec(location.hash);
    if (slide) show(Number(slide[1]) - 1);
  }

  const KEYS = {
    ArrowRight: () => show(shown + 1),
    PageDown: () => show(shown + 1), // what a remote control sends
    ArrowLeft: () => show(shown - 1),
    PageUp: () => show(shown - 1),
    Home: () => show(0),
    End: () => show(slides.length - 1),
    Escape: leave,
  };
  document.addEventListener("keydown", (event) => {
    if (shown < 0 || event.altKey || event.ctrlKey || event.metaKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("touchstart", (event) => (touched = event.changedTouches[0]));
  document.addEventListener("touchend", (event) => {
    const right = event.changedTouches[0].clientX - touched.clientX;
    const down = event.changedTouches[0].clientY - touched.clientY;
    if (shown >= 0 && Math.abs(right) > Math.max(50, 2 * Math.abs(down))) show(shown - Math.sign(right));
  });

  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement) leave(); // Esc was for the browser
  });
  window.addEventListener("hashchange", follow);
  window.addEventListener("resize", () => shown >= 0 && fit(slides[shown]));
  window.addEventListener("load", () => shown >= 0 && fit(slides[shown])); // the pictures are here

  bar.className = "slide-bar";
  bar.append(
    element("button", "‹", "previous slide", KEYS.ArrowLeft),
    count,
    element("button", "›", "next slide", KEYS.ArrowRight),
    element("button", "×", "end", leave),
  );
  const button = element("button", "Present", "", present);
  button.className = "present";
  deck.querySelector("h1").after(button);
  deck.append(bar);
  follow();
})();
