// Reading values off a chart with the mouse, a finger, or the arrow keys.

/** Report the pointed-at instant of `panel` to its `handlers.cursor`. */
export function followPointer(panel) {
  const { plot, handlers } = panel;
  let frame = 0;
  let position = null;
  let instant = null;

  const tell = () => {
    frame = 0;
    const found = position && panel.locate(position.left, position.top);
    instant = found?.t ?? null;
    handlers.cursor(found ? { panel, t: found.t, value: found.value, device: null } : null);
  };
  const leave = () => {
    position = null;
    cancelAnimationFrame(frame);
    frame = 0;
    instant = null;
    handlers.cursor(null);
  };
  const follow = (event) => {
    const box = plot.getBoundingClientRect();
    position = { left: event.clientX - box.left, top: event.clientY - box.top };
    frame ||= requestAnimationFrame(tell);
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("pointercancel", leave);
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape" && instant !== null) {
      event.stopPropagation();
      leave();
    }
    if (steps === undefined || panel.face !== "data") return;
    event.preventDefault();
    panel.reading.speak();
    instant = panel.scene.stepFrom(instant ?? Infinity, instant === null ? 0 : event.shiftKey ? 10 * steps : steps);
    handlers.cursor({ panel, t: instant, value: null, device: null });
  });
}
