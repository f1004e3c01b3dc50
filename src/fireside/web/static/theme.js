// @ts-check
// Runs before the page is drawn, so that nobody sees the wrong colours first.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("fireside.theme");
  } catch {
    // No storage: the system's choice it is.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
