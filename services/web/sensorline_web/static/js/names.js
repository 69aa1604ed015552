// From a metric's name on the wire to words for people, and the order in which panels stand.

const WORDS = new Map([
  ["co2", "CO₂"], ["co", "CO"], ["tvoc", "TVOC"], ["voc", "VOC"], ["pm1", "PM1"], ["pm10", "PM10"], ["pm25", "PM2.5"],
  ["pm2_5", "PM2.5"], ["no2", "NO₂"], ["o3", "O₃"], ["linkquality", "Link quality"], ["cpu", "CPU"], ["gpu", "GPU"], ["ram", "RAM"], ["rssi", "RSSI"],
  ["uv", "UV"], ["ph", "pH"], ["iaq", "IAQ"], ["id", "ID"], ["wifi", "Wi-Fi"], ["ip", "IP"], ["ssd", "SSD"], ["snr", "SNR"],
]);

// What people look for first; everything else follows by name.
const ORDER = ["temperature", "humidity", "pressure", "co2", "power", "energy", "voltage", "current", "illuminance", "cpu", "memory", "load_1m", "load"];

/** "cpu_temperature" → "CPU temperature", "co2" → "CO₂", "linkQuality" → "Link quality". */
export function prettyMetric(metric) {
  const whole = WORDS.get(metric.toLowerCase());
  if (whole) return whole;
  const words = metric.replace(/([a-z0-9])([A-Z])/g, "$1 $2").split(/[\s_.\-:]+/).filter(Boolean);
  if (words.length === 0) return metric;
  const text = words.map((word) => WORDS.get(word.toLowerCase()) ?? (isShout(word) ? word : word.toLowerCase())).join(" ");
  return text[0].toUpperCase() === text[0] || /^pH\b/.test(text) ? text : text[0].toUpperCase() + text.slice(1);
}

function isShout(word) {
  return word.length > 1 && word === word.toUpperCase();
}

/** A metric's place: known ones first, in reading order. */
export function metricRank(metric) {
  const plain = metric.toLowerCase();
  const exact = ORDER.indexOf(plain);
  if (exact >= 0) return exact;
  const partly = ORDER.findIndex((word) => plain.includes(word));
  return partly >= 0 ? ORDER.length + partly : 2 * ORDER.length;
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Order for names of devices and metrics: 2 before 10, without regard to case. */
export const byName = (a, b) => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
