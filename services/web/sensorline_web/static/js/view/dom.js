// Building elements. Text enters as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** `el("p", {class: "note", text: "…", on: {click}}, …children)`; other keys are attributes, null leaves one out. */
export function el(tag, { class: names, text, on, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (names) element.className = names;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  for (const [event, handler] of Object.entries(on ?? {})) element.addEventListener(event, handler);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A symbol of icons.svg, decorative: the words stand beside it or in a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Change the symbol of an icon that is there. */
export function setIcon(element, name) {
  element.querySelector("use").setAttribute("href", `${document.body.dataset.icons}#${name}`);
}

/** A piece of line as the chart draws it: colour by class, dash by attribute. */
export function swatch(colourClass, dash) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `swatch ${colourClass}`);
  svg.setAttribute("viewBox", "0 0 18 8");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", "M0 4h18");
  if (dash.length > 0) line.setAttribute("stroke-dasharray", dash.join(" "));
  svg.append(line);
  return svg;
}

/** Set an element's text only when it differs: an unchanged number costs no layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
