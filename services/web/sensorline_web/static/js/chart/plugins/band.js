// The band from the least to the greatest value behind each mean line. One polygon for each stretch without a gap; no
// extra datasets, which Chart.js would turn into elements with every update.

export const band = {
  id: "band",

  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x, y } } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.width, area.height);
    ctx.clip();
    chart.data.datasets.forEach((dataset, index) => {
      if (!dataset.banded || !chart.isDatasetVisible(index)) return;
      ctx.fillStyle = dataset.borderColor;
      ctx.globalAlpha = dataset.bandAlpha;
      for (const [first, last] of dataset.stretches) fillStretch(ctx, x, y, dataset.columns, first, last);
    });
    ctx.restore();
  },
};

function fillStretch(ctx, x, y, columns, first, last) {
  ctx.beginPath();
  for (let i = first; i <= last; i += 1) ctx.lineTo(x.getPixelForValue(columns.t[i]), y.getPixelForValue(columns.max[i]));
  for (let i = last; i >= first; i -= 1) ctx.lineTo(x.getPixelForValue(columns.t[i]), y.getPixelForValue(columns.min[i]));
  ctx.closePath();
  ctx.fill();
}
