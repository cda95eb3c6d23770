"use strict";
/* Sorts and filters the list of records, and unfolds what is printed. All can be read without. */
(() => {
  // Rows are laid out as blocks on narrow screens, where some readers forget that they are a table.
  const roles = {
    TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell",
    col: "columnheader", row: "rowheader",
  };
  for (const part of document.querySelectorAll("table, thead, tbody, tr, td, th")) {
    part.setAttribute("role", roles[part.getAttribute("scope")] || roles[part.tagName]);
  }

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });

  const table = document.getElementById("records");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const order = new Intl.Collator(undefined, { numeric: true });

  const key = (row, column) => {
    const cell = row.cells[column];
    return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
  };
  const compare = (one, other) =>
    typeof one === "number" ? one - other : order.compare(one, other);

  const heads = [...table.tHead.rows[0].cells];
  const by = document.getElementById("by");
  const arrange = (of, sign, head) => {
    for (const each of heads) each.removeAttribute("aria-sort");
    if (head) head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const keys = new Map(rows.map((row) => [row, of(row)]));
    rows.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
    body.append(...rows);
  };
  // By column, in their heads and, since narrow screens show none, in a list; by feature there too.
  const offer = (name, choose) => {
    by.append(new Option(name, by.length));
    choices.push(choose);
  };
  const choices = [];
  heads.forEach((head, column) => {
    if (head.classList.contains("unsorted")) return;
    const place = choices.length;
    const sort = (sign) => arrange((row) => key(row, column), sign, head);
    offer(head.textContent, () => sort(1));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      sort(head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
      by.value = place;
    });
    head.append(button);
  });
  rows[0].querySelectorAll(".key").forEach((name, place) => {
    const told = (row) => row.querySelectorAll(".told")[place];
    offer(name.textContent, () => arrange((row) => told(row)?.textContent ?? "", 1));
  });
  by.addEventListener("change", () => choices[by.value]());
  heads[0].setAttribute("aria-sort", "ascending");

  const filter = document.getElementById("filter");
  const only = document.getElementById("only");
  const shown = document.getElementById("shown");
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits || (only.checked && !row.classList.contains("listed"));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  };
  filter.addEventListener("input", show);
  only.addEventListener("change", show);
  document.querySelector(".tools").hidden = false;
  show();
})();
