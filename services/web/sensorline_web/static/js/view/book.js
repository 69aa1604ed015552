// A device's book as cells: a name, a number, and what it means.
import { bookRows } from "../state/book.js";
import { el, setText } from "./dom.js";

export class BookView {
  #cells = new Map();
  #shape = "";

  constructor(page) {
    this.root = page.querySelector("#book");
    this.none = page.querySelector("#book-none");
  }

  /** `device`: the store's entry or null. */
  render(device, loaded) {
    const account = device?.account ?? null;
    const rows = account ? bookRows(account) : [];
    this.root.hidden = rows.length === 0;
    this.none.hidden = rows.length > 0;
    setText(this.none, loaded ? "No account has been kept for this device yet." : "Loading…");
    const shape = rows.map((row) => row.key).join(" ");
    if (shape !== this.#shape) this.#rebuild(rows);
    this.#shape = shape;
    for (const row of rows) {
      const cell = this.#cells.get(row.key);
      setText(cell.value, row.value);
      setText(cell.unit, row.unit);
      setText(cell.hint, row.hint);
      cell.root.dataset.tone = row.tone;
    }
  }

  #rebuild(rows) {
    this.#cells.clear();
    this.root.replaceChildren(...rows.map((row) => {
      const cell = { value: el("span", { class: "num" }), unit: el("span", { class: "unit" }), hint: el("dd", { class: "book-hint" }) };
      cell.root = el("div", { class: "book-cell", "data-key": row.key, "data-sign": row.sign || null },
        el("dt", { text: row.name }), el("dd", { class: "book-value" }, cell.value, " ", cell.unit), cell.hint);
      this.#cells.set(row.key, cell);
      return cell.root;
    }));
  }
}
