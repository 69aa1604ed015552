// The instant that the person points at: a dashed line, and a dot on each line's point there.

export const crosshair = {
  id: "crosshair",

  afterDatasetsDraw(chart) {
    const { cursor, dimColour, surfaceColour } = chart.sensorline;
    if (!cursor) return;
    const { ctx, chartArea: area, scales: { x, y } } = chart;
    const at = x.getPixelForValue(cursor.t);
    if (at < area.left - 0.5 || at > area.right + 0.5) return;
    ctx.save();
    ctx.beginPath();
    ctx.setLineDash([3, 3]);
    ctx.moveTo(Math.round(at) + 0.5, area.top);
    ctx.lineTo(Math.round(at) + 0.5, area.bottom);
    ctx.strokeStyle = dimColour;
    ctx.lineWidth = 1;
    ctx.stroke();
    ctx.setLineDash([]);
    for (const { dataset, t, value } of cursor.dots) {
      if (!chart.isDatasetVisible(dataset)) continue;
      ctx.beginPath();
      ctx.arc(x.getPixelForValue(t), y.getPixelForValue(value), 4, 0, 2 * Math.PI);
      ctx.fillStyle = chart.data.datasets[dataset].borderColor;
      ctx.strokeStyle = surfaceColour;
      ctx.lineWidth = 2;
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  },
};
