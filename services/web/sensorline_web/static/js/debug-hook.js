// `window.sensorline`: what the page shows, for tests and for the curious. Read-only.
import { seriesKey } from "./state/panels.js";

export function debugHook(dashboard) {
  return Object.freeze({
    /** The points on the chart of one series, oldest first: [{t, mean, min, max, n}], times in epoch ms. */
    points(device, metric) {
      const buffer = dashboard.series.buffers.get(seriesKey(device, metric));
      return buffer ? buffer.points(dashboard.timeline.window(dashboard.panels.plotWidth).from) : [];
    },

    /** The page's state as plain data. */
    state() {
      const { timeline, redraw } = dashboard;
      return {
        range: timeline.range.id,
        paused: timeline.paused,
        missed: timeline.missed,
        connection: dashboard.pill?.words ?? null,
        broker: dashboard.intake.broker.state,
        selected: [...dashboard.selected],
        devices: dashboard.store.size,
        series: dashboard.store.seriesCount,
        panels: dashboard.panels.views.map((view) => ({
          metric: view.model.metric, unit: view.model.unit, devices: view.model.lines.map((line) => line.device),
          face: view.face, visible: view.visible, error: view.error,
          marks: view.scene.marks.map(({ from, to, lost, events }) => ({ from, to, lost, events: events.map(({ id, count }) => [id, count]) })),
        })),
        at: timeline.at,
        held: dashboard.series.held,
        hidden: document.hidden,
        redraws: redraw.redraws,
        redrawCostMs: redraw.pace.costMs,
        redrawIntervalMs: redraw.pace.intervalMs,
      };
    },
  });
}
