// Which panels there are: one per metric and unit, with the devices that have it.
import { byName, metricRank, prettyMetric } from "../names.js";

/** So many lines can be told apart in one panel; more are shown when asked for. */
export const LINES_AT_FIRST = 6;

/**
 * The panels for the selected devices (a Set; empty: all), in reading order.
 *
 * A panel: `{key, metric, unit, title, lines: [{device, metric, title, index}], total}`. Devices that do not tell a
 * unit join those of the same metric that do, if these agree. `expanded`: keys of the panels that show every line.
 */
export function panelModels(store, selected, expanded = new Set()) {
  const byMetric = new Map();
  for (const device of store.list()) {
    if (selected.size > 0 && !selected.has(device.id)) continue;
    for (const metric of device.metrics.values()) {
      let entries = byMetric.get(metric.id);
      if (!entries) byMetric.set(metric.id, (entries = []));
      entries.push({ device, metric });
    }
  }
  const panels = [];
  for (const [metric, entries] of byMetric) {
    for (const [unit, group] of groupByUnit(entries)) panels.push(panelModel(metric, unit, group, expanded));
  }
  panels.sort((a, b) => metricRank(a.metric) - metricRank(b.metric) || byName(a.title, b.title) || byName(a.key, b.key));
  // Colours go out in reading order, so that the first line of the page has the first colour.
  for (const line of panels.flatMap((panel) => panel.lines)) line.index = store.colourOf(line.device);
  return panels;
}

function groupByUnit(entries) {
  const units = new Set(entries.map(({ metric }) => metric.unit).filter((unit) => unit !== null));
  const fallback = units.size === 1 ? [...units][0] : null;
  const groups = new Map();
  for (const entry of entries) {
    const unit = entry.metric.unit ?? fallback;
    const group = groups.get(unit);
    if (group) group.push(entry);
    else groups.set(unit, [entry]);
  }
  return groups;
}

function panelModel(metric, unit, group, expanded) {
  // JSON keeps any two names apart, whatever characters they have.
  const key = JSON.stringify([metric, unit]);
  const names = new Set(group.map((entry) => entry.metric.name));
  const agreed = names.size === 1 ? [...names][0] : null;
  const shown = expanded.has(key) ? group : group.slice(0, LINES_AT_FIRST);
  return {
    key,
    metric,
    unit,
    title: agreed || prettyMetric(metric),
    total: group.length,
    lines: shown.map(({ device }) => ({ device: device.id, metric, title: device.title, index: 0 })),
  };
}

/** A series' key in a Map. */
export const seriesKey = (device, metric) => JSON.stringify([device, metric]);
