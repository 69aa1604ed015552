// One panel's chart: the wrapper around Chart.js. Everything that depends on that library is in this folder.
import { formatAxis } from "../format.js";
import { rangeTicks } from "../series/yrange.js";
import { tickLabel, timeTicks } from "../time/ticks.js";
import { dashAt } from "./palette.js";
import { band } from "./plugins/band.js";
import { crosshair } from "./plugins/crosshair.js";
import { hatch } from "./plugins/hatch.js";
import { lastValue } from "./plugins/last-value.js";
import { missing } from "./plugins/missing.js";

/** The value axis has the same width in every panel, so that the time axes stand in line. */
const AXIS_PX = 46;
const LABELS_PX = 50;
/** Points show while there are fewer than this. */
const FEW = 60;

export class PanelChart {
  #chart;
  #palette;
  #ticks = [];
  #step = 1;

  constructor(canvas, palette) {
    this.#palette = palette;
    // Chart.js came as a classic script: it calls its plugins, so they need what this object knows.
    this.#chart = new globalThis.Chart(canvas, {
      type: "line",
      data: { datasets: [] },
      options: this.#options(),
      plugins: [{ id: "sensorline", beforeInit: (chart) => this.#share(chart) }, hatch, missing, band, crosshair, lastValue],
    });
  }

  #share(chart) {
    const { dim, surface, hatch: hatchColour, mark: markColour, markHatch: markHatchColour, font } = this.#palette;
    chart.sensorline = { ...chart.sensorline, dimColour: dim, surfaceColour: surface, hatchColour, markColour, markHatchColour, font };
  }

  #options() {
    const font = { family: this.#palette.font, size: 11 };
    return {
      animation: false,
      parsing: false,
      normalized: true,
      responsive: true,
      maintainAspectRatio: false,
      events: [],
      layout: { padding: { left: 0, right: LABELS_PX, top: 6, bottom: 0 } },
      elements: { line: { borderWidth: 1.5, borderJoinStyle: "round" } },
      plugins: { legend: { display: false }, tooltip: { enabled: false }, decimation: { enabled: false }, filler: false },
      scales: {
        x: {
          type: "linear",
          grid: { display: false },
          border: { display: false },
          afterBuildTicks: (axis) => this.#placeTimeTicks(axis),
          ticks: {
            font, color: this.#palette.dim, autoSkip: false, maxRotation: 0, minRotation: 0, align: "center", padding: 4,
            callback: (value) => tickLabel(value, this.#step),
          },
        },
        y: {
          type: "linear",
          grid: { color: this.#palette.line, drawTicks: false, lineWidth: 1 },
          border: { display: false },
          afterFit: (axis) => { axis.width = AXIS_PX; },
          afterBuildTicks: (axis) => { axis.ticks = this.#ticks.map((value) => ({ value })); },
          ticks: {
            font, color: this.#palette.dim, autoSkip: false, padding: 8,
            callback: (value) => formatAxis(value, this.yStep),
          },
        },
      },
    };
  }

  #placeTimeTicks(axis) {
    const room = Math.max(2, Math.min(6, Math.floor((this.#chart?.chartArea?.width ?? 600) / 64)));
    const ticks = timeTicks(axis.min, axis.max, room);
    this.#step = ticks.length > 1 ? ticks[1] - ticks[0] : axis.max - axis.min;
    axis.ticks = ticks.map((value) => ({ value }));
  }

  /** Where an instant is, in CSS pixels from the canvas' left edge. */
  pixelOf(t) {
    return this.#chart?.scales.x.getPixelForValue(t) ?? 0;
  }

  /** The width of the plot in CSS pixels; 0 before the first layout. */
  get plotWidth() {
    return this.#chart.chartArea?.width ?? 0;
  }

  /**
   * Draw `lines`: `{key, index, position, hidden, columns, points, stretches, banded, binary, last}`, in the window
   * [from, to], with the value axis `range` hatched `gaps`, and the `hatches` and `marks` of events.
   */
  draw({ lines, from, to, range, gaps, hatches, marks }) {
    const chart = this.#chart;
    const known = new Map(chart.data.datasets.map((dataset) => [dataset.look, dataset]));
    chart.data.datasets = lines.map((line) => this.#dataset(known, line));
    lines.forEach((line, i) => chart.setDatasetVisibility(i, !line.hidden));
    const { x, y } = chart.options.scales;
    x.min = from;
    x.max = to;
    y.min = range.min;
    y.max = range.max;
    this.yStep = range.step;
    this.#ticks = rangeTicks(range);
    Object.assign(chart.sensorline, { gaps, hatches, marks });
    chart.update("none");
  }

  #dataset(known, line) {
    const colour = this.#palette.series(line.index);
    const few = line.points.length < FEW;
    // Chart.js keeps the options of a dataset's points for as long as it sees the same object: another look, another one.
    const look = JSON.stringify([line.key, colour, few]);
    return Object.assign(known.get(look) ?? { look }, {
      data: line.points,
      borderColor: colour,
      backgroundColor: colour,
      borderDash: dashAt(line.position),
      pointRadius: few ? 1.75 : 0,
      pointBorderWidth: 0,
      pointHitRadius: 0,
      stepped: line.binary ? "before" : false,
      banded: line.banded,
      bandAlpha: this.#palette.bandAlpha,
      columns: line.columns,
      stretches: line.stretches,
      last: line.last,
    });
  }

  /** Show the crosshair at `t` with dots `[{dataset, t, value}]`; null takes it away. */
  point(cursor) {
    if (!cursor && !this.#chart.sensorline.cursor) return;
    this.#chart.sensorline.cursor = cursor;
    this.#chart.draw();
  }

  /** The instant and value under a position in CSS pixels of the canvas, or null outside of the plot. */
  at(left, top) {
    const { chartArea: area, scales } = this.#chart;
    if (!area || left < area.left - 6 || left > area.right + 6) return null;
    return { t: scales.x.getValueForPixel(Math.min(area.right, Math.max(area.left, left))), value: scales.y.getValueForPixel(top) };
  }

  /** Take other colours: the theme changed. */
  recolour(palette) {
    this.#palette = palette;
    const { x, y } = this.#chart.options.scales;
    x.ticks.color = palette.dim;
    y.ticks.color = palette.dim;
    y.grid.color = palette.line;
    this.#share(this.#chart);
  }

  destroy() {
    this.#chart.destroy();
  }
}
