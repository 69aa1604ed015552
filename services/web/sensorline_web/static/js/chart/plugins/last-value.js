// The last reading of each line: a dot, and its value at the right. Labels give way to each other, up and down.

const LINE_PX = 14;
const RADIUS = 3;

export const lastValue = {
  id: "lastValue",

  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x, y } } = chart;
    const labels = [];
    chart.data.datasets.forEach((dataset, index) => {
      const last = dataset.last;
      if (!last || !chart.isDatasetVisible(index)) return;
      const left = x.getPixelForValue(last.t);
      const top = Math.min(area.bottom, Math.max(area.top, y.getPixelForValue(last.value)));
      if (left < area.left || left > area.right + 1) return;
      labels.push({ left, top, at: top, text: last.text, colour: dataset.borderColor });
    });
    ctx.save();
    for (const { left, top, colour } of labels) {
      ctx.beginPath();
      ctx.arc(left, top, RADIUS, 0, 2 * Math.PI);
      ctx.fillStyle = colour;
      ctx.fill();
    }
    ctx.font = `600 11px ${chart.sensorline.font}`;
    ctx.textBaseline = "middle";
    for (const { at, text, colour } of spread(labels, area.top, area.bottom)) {
      ctx.fillStyle = colour;
      ctx.fillText(text, area.right + 8, at);
    }
    ctx.restore();
  },
};

/** Move labels apart so that none covers another, each as near to its dot as that allows. */
export function spread(labels, top, bottom, line = LINE_PX) {
  const sorted = [...labels].sort((a, b) => a.top - b.top);
  // More labels than the height has room for would be a smear; the legend has the values too.
  if (sorted.length * line > bottom - top + line) return [];
  let floor = top;
  for (const label of sorted) {
    label.at = Math.max(label.top, floor);
    floor = label.at + line;
  }
  let ceiling = bottom;
  for (let i = sorted.length - 1; i >= 0; i -= 1) {
    sorted[i].at = Math.min(sorted[i].at, ceiling);
    ceiling = sorted[i].at - line;
  }
  return sorted;
}
