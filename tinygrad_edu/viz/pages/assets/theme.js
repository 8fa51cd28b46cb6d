// Light or dark: the choice of the reader, or of the page around a frame (docs/site/static/frames.js
// sends it), else the setting of the system.

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const THEME = "tinygrad_edu theme";

function switchTheme() {
  const { style } = document.documentElement;
  const isDark = style.colorScheme ? style.colorScheme === "dark" : dark.matches;
  style.colorScheme = isDark ? "light" : "dark";
  withStorage((storage) => storage.setItem(THEME, style.colorScheme));
}

function takeTheme(theme) {
  if (["light", "dark"].includes(theme)) document.documentElement.style.colorScheme = theme;
}

// A page in a frame of a notebook, or from a file, may have no storage.
function withStorage(use) {
  try {
    return use(window.localStorage);
  } catch {
    return null;
  }
}

takeTheme(withStorage((storage) => storage.getItem(THEME)));
window.addEventListener("message", ({ data }) => takeTheme(data?.theme));
byId("theme").addEventListener("click", switchTheme);
