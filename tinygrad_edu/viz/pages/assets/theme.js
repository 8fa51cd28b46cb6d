// Light or dark: what the reader chose, else what the machine is set to.

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const THEME = "tinygrad_edu theme";

function switchTheme() {
  const { style } = document.documentElement;
  const isDark = style.colorScheme ? style.colorScheme === "dark" : dark.matches;
  style.colorScheme = isDark ? "light" : "dark";
  withStorage((storage) => storage.setItem(THEME, style.colorScheme));
}

function recallTheme() {
  const theme = withStorage((storage) => storage.getItem(THEME));
  if (["light", "dark"].includes(theme)) document.documentElement.style.colorScheme = theme;
}

// A page in a frame of a notebook, or from a file, may have none.
function withStorage(use) {
  try {
    return use(window.localStorage);
  } catch {
    return null;
  }
}

recallTheme();
byId("theme").addEventListener("click", switchTheme);
