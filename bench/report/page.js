"use strict";
// Tables that sort and filter, rows as cards where a table has no room, sections that open when they are linked to.
// The page is whole without it. Texts go in as textContent only.
(() => {
  const LONG = 7, NARROW = 640, FEW = 3;
  const PREFIX = { P: 1e15, T: 1e12, G: 1e9, M: 1e6, k: 1e3, m: 1e-3, "µ": 1e-6, n: 1e-9 };
  const NUMBER = /^[^\dA-Za-z+\u2212-]{0,2}([+\u2212-]?[\d\u202f]+(?:\.\d+)?(?:e[+-]?\d+)?)\s?([PTGMkmµn](?=[A-Za-z°]))?/;

  function value(text) {
    const found = NUMBER.exec(text.trim());
    return found ? Number(found[1].replace(/\u202f/g, "").replace("\u2212", "-")) * (PREFIX[found[2]] || 1) : null;
  }
  function compare(a, b) {
    if (a.number !== null && b.number !== null) return a.number - b.number;
    if (a.number !== null || b.number !== null) return a.number === null ? 1 : -1;
    return a.text.localeCompare(b.text, undefined, { numeric: true });
  }
  function sortBy(head, place, body, rows) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row, turn) => {
      const text = row.children[place].textContent;
      return { row, turn, text, number: value(text) };
    });
    keyed.sort((a, b) => (down ? -1 : 1) * compare(a, b) || a.turn - b.turn);
    body.append(...keyed.map((each) => each.row));
  }
  function sortable(table) {
    const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].children];
    if (rows.length < FEW) return;
    heads.forEach((head, place) => {
      head.setAttribute("aria-sort", "none");
      head.tabIndex = 0;
      head.addEventListener("click", () => sortBy(head, place, body, rows));
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); head.click(); }
      });
    });
    if (rows.length >= LONG) filterable(table, rows);
  }
  function filterable(table, rows) {
    const field = document.createElement("input");
    field.type = "search";
    field.className = "filter";
    field.placeholder = "Only rows with …";
    field.setAttribute("aria-label", "Only rows that hold these words");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = [...row.children].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.closest(".scroll").before(field);
  }
  function fit(box) {
    box.classList.remove("cards", "tight");
    if (!box.clientWidth) return;
    const table = box.firstElementChild, columns = table.tHead.rows[0].children;
    const cut = () => box.scrollWidth > box.clientWidth + 1;
    if (cut()) box.classList.add("tight");
    if (!cut() && !(innerWidth < NARROW && columns.length > FEW)) return;
    if (!box.dataset.named) {
      const names = [...columns].map((head) => head.textContent);
      for (const row of table.tBodies[0].rows) [...row.children].forEach((cell, i) => { cell.dataset.name = names[i]; });
      box.dataset.named = "1";
    }
    box.classList.add("cards");
  }
  function fitAll(within) {
    for (const box of within.querySelectorAll(".scroll")) fit(box);
  }
  function openLinked() {
    const section = location.hash && document.getElementById(location.hash.slice(1));
    const folded = section && section.querySelector("details");
    if (folded) folded.open = true;
    if (section) section.scrollIntoView();
  }
  for (const table of document.querySelectorAll("table")) sortable(table);
  fitAll(document);
  document.addEventListener("toggle", (event) => fitAll(event.target), true);
  for (const tab of document.querySelectorAll(".tabs>input")) tab.addEventListener("change", () => fitAll(tab.nextElementSibling.nextElementSibling));
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => fitAll(document));
  });
  addEventListener("hashchange", openLinked);
  openLinked();
})();
