// Diagonal hatching where no visible line has data.
import { drawHatch } from "../hatching.js";

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
