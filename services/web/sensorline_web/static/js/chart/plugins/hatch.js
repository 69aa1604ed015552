// Diagonal hatching where no visible line has data.

const SPACING = 6;
/** Narrower gaps show as a break in the line only. */
const NARROWEST = 4;

export const hatch = {
  id: "hatch",

  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    const { gaps = [], hatchColour } = chart.sensorline;
    for (const [from, to] of gaps) {
      const left = Math.max(area.left, x.getPixelForValue(from) + 1);
      const right = Math.min(area.right, x.getPixelForValue(to) - 1);
      if (right - left >= NARROWEST) drawHatch(ctx, left, right, area, hatchColour);
    }
  },
};

function drawHatch(ctx, left, right, area, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, area.top, right - left, area.height);
  ctx.clip();
  ctx.beginPath();
  // The strokes stand on the chart's own grid, so that they do not crawl while a gap grows.
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
