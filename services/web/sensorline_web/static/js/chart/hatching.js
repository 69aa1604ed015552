// Diagonal strokes over a span of the plot.

const SPACING = 6;

/** Hatch from `left` to `right` (CSS pixels). Strokes of every span stand on the chart's own grid, so that they do not crawl while one grows. */
export function drawHatch(ctx, left, right, area, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, area.top, right - left, area.height);
  ctx.clip();
  ctx.beginPath();
  const first = Math.floor((left - area.height) / SPACING) * SPACING;
  for (let at = first; at < right; at += SPACING) {
    ctx.moveTo(at, area.bottom);
    ctx.lineTo(at + area.height, area.top);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.restore();
}
