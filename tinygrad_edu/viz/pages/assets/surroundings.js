// In a frame, the page around it may say how light it is: docs/site/static/frames.js does.

window.addEventListener("message", ({ data }) => {
  if (["light", "dark"].includes(data?.theme)) document.documentElement.style.colorScheme = data.theme;
});
