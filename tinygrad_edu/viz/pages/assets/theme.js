// Light or dark: what the reader chose, else what the machine is set to.
(() => {
  const THEME = "tinygrad_edu theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function switchTheme() {
    const { style } = document.documentElement;
    const isDark = style.colorScheme ? style.colorScheme === "dark" : dark.matches;
    style.colorScheme = isDark ? "light" : "dark";
    withStorage((storage) => storage.setItem(THEME, style.colorScheme));
  }

  // A page in a frame of a notebook, or from a file, may have none.
  function withStorage(use) {
    try {
      return use(window.localStorage);
    } catch {
      return null;
    }
  }

  const theme = withStorage((storage) => storage.getItem(THEME));
  if (["light", "dark"].includes(theme)) document.documentElement.style.colorScheme = theme;
  workbench.byId("theme").addEventListener("click", switchTheme);
})();
