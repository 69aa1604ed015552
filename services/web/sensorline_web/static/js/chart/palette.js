// The theme's colours for the canvas, read from the style sheet: it is the only place that knows them.

const SERIES = 8;

/** Dashes in the order of a panel's lines, so that lines are told apart without colour too. */
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

/** The dash of the line that stands at `position` in its panel. */
export function dashAt(position) {
  return DASHES[(position + Math.floor(position / SERIES)) % DASHES.length];
}

/** The custom property that holds the colour of the device with this index. */
export function seriesColourName(index) {
  return `--series-${(index % SERIES) + 1}`;
}

/** Read the palette that is in force now. */
export function readPalette(element = document.documentElement) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    text: read("--text"),
    dim: read("--text-dim"),
    line: read("--line"),
    hatch: read("--hatch"),
    mark: read("--warn"),
    markHatch: read("--mark-hatch"),
    surface: read("--surface"),
    bandAlpha: Number(read("--band-alpha")) || 0.14,
    font: getComputedStyle(document.body).fontFamily,
    series: (index) => read(seriesColourName(index)),
  };
}
