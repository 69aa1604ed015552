// Events: the plot is hatched where data may be missing, under a bracket that is there however narrow the span is, and is
// told from lines by its shape. Words stand in the hatching where they cover no line. What only happened has a thin bracket.
import { groupWords } from "../../state/event-words.js";
import { drawHatch } from "../hatching.js";

const BRACKET_PX = 3;
const LABEL_PX = 14;

export const missing = {
  id: "missing",

  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    const { hatches = [], markHatchColour } = chart.sensorline;
    for (const [from, to] of hatches) {
      const [left, right] = ends(x, area, from, to);
      if (right > left) drawHatch(ctx, left, right, area, markHatchColour);
    }
  },

  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    const { marks = [], markColour, dimColour } = chart.sensorline;
    if (marks.length === 0) return;
    // With one line, nothing is drawn where it has a hole.
    const isAlone = chart.data.datasets.filter((_, index) => chart.isDatasetVisible(index)).length === 1;
    ctx.save();
    for (const { from, to, lost, events } of marks) {
      const [left, right] = ends(x, area, from, to);
      if (right <= left) continue;
      ctx.fillStyle = lost ? markColour : dimColour;
      drawBracket(ctx, left, right, area.top, lost ? BRACKET_PX : 1);
      if (lost && isAlone) drawLabel(chart, groupWords(events), left, right);
    }
    ctx.restore();
  },
};

function ends(x, area, from, to) {
  return [Math.max(area.left, x.getPixelForValue(from)), Math.min(area.right, x.getPixelForValue(to))];
}

/** A bar over the plot whose ends reach down into it. */
function drawBracket(ctx, left, right, top, thickness) {
  ctx.fillRect(left, top - BRACKET_PX, right - left, thickness);
  ctx.fillRect(left, top - BRACKET_PX, 1, 2 * BRACKET_PX);
  ctx.fillRect(right - 1, top - BRACKET_PX, 1, 2 * BRACKET_PX);
}

function drawLabel({ ctx, chartArea: area, sensorline }, words, left, right) {
  ctx.font = `600 10px ${sensorline.font}`;
  const width = ctx.measureText(words).width + 8;
  if (width > right - left - 4) return;
  const middle = (left + right) / 2;
  ctx.fillStyle = sensorline.surfaceColour;
  ctx.fillRect(middle - width / 2, area.top + 2 * BRACKET_PX, width, LABEL_PX);
  ctx.fillStyle = sensorline.markColour;
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  ctx.fillText(words, middle, area.top + 2 * BRACKET_PX + LABEL_PX / 2);
}
