// A classic script in the head: the chosen theme is there before the first paint, so nothing flashes.
(() => {
  try {
    const theme = localStorage.getItem("sensorline.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's theme it is.
  }
})();
