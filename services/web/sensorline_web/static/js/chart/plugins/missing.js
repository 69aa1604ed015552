// Events: the plot is hatched where data may be missing, and a bracket above it says so in words where there is room. The
// bracket is there for every event, however narrow, and is told from lines by its shape.
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
    const { marks = [], markColour, surfaceColour, font } = chart.sensorline;
    if (marks.length === 0) return;
    ctx.save();
    ctx.font = `600 10px ${font}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "center";
    for (const { from, to, events } of marks) {
      const [left, right] = ends(x, area, from, to);
      if (right <= left) continue;
      ctx.fillStyle = markColour;
      drawBracket(ctx, left, right, area.top);
      const words = groupWords(events);
      const width = ctx.measureText(words).width + 8;
      if (width > right - left) continue;
      const middle = (left + right) / 2;
      ctx.fillStyle = surfaceColour;
      ctx.fillRect(middle - width / 2, area.top + BRACKET_PX, width, LABEL_PX);
      ctx.fillStyle = markColour;
      ctx.fillText(words, middle, area.top + BRACKET_PX + LABEL_PX / 2);
    }
    ctx.restore();
  },
};

function ends(x, area, from, to) {
  return [Math.max(area.left, x.getPixelForValue(from)), Math.min(area.right, x.getPixelForValue(to))];
}

/** A bar over the plot whose ends reach down into it. */
function drawBracket(ctx, left, right, top) {
  ctx.fillRect(left, top - BRACKET_PX, right - left, BRACKET_PX);
  ctx.fillRect(left, top, 1, BRACKET_PX);
  ctx.fillRect(right - 1, top, 1, BRACKET_PX);
}
