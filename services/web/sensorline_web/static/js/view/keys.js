// Keys for the whole page. They rest while the person types, and with any modifier, which belongs to the browser.
import { RANGES } from "../state/ranges.js";

/** Listen: `/` search, `l` live, `t` theme, `[` and `]` shorter and longer range, Esc all devices. */
export function listenForKeys(dashboard, bar) {
  const step = (by) => {
    const index = RANGES.findIndex((range) => range.id === dashboard.timeline.range.id) + by;
    if (RANGES[index]) dashboard.setRange(RANGES[index].id);
  };
  const actions = new Map([
    ["/", () => bar.search.focus()],
    ["l", () => dashboard.togglePause()],
    ["t", () => bar.theme.next()],
    ["[", () => step(-1)],
    ["]", () => step(1)],
    ["Escape", () => dashboard.selectAll()],
  ]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const action = actions.get(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
