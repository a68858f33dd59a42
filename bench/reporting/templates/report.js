// The report's controls: tables are sorted by a heading, and of a choice of methods verdicts and
// marks are computed again. Without this script the page is complete but for these.
"use strict";

// Sorting --------------------------------------------------------------------------------------

// The heading of each column: the lowest cell of <thead> there.
function headings(table) {
  const grid = [];
  [...table.tHead.rows].forEach((row, y) => {
    let x = 0;
    for (const cell of row.cells) {
      while (grid[y]?.[x]) x++;
      for (let below = 0; below < cell.rowSpan; below++)
        for (let beside = 0; beside < cell.colSpan; beside++)
          (grid[y + below] ??= [])[x + beside] = cell;
      x += cell.colSpan;
    }
  });
  return grid.at(-1);
}

// The number with which a text begins: "74.1 ± 0.5" -> 74.1, "< 0.001" -> 0.001, "–" -> null.
function number(text) {
  const found = /^\s*<?\s*([-−]?[\d,]*\.?\d+(?:e[-+]?\d+)?)/.exec(text);
  return found && Number(found[1].replace("−", "-").replaceAll(",", ""));
}

// Below 0 if one text goes before another: by the numbers with which both begin, if they do; then words
// from A to Z, and the numbers in them by value.
function compareWords(a, b) {
  const [x, y] = [number(a), number(b)];
  if (x !== null && y !== null && x !== y) return x - y;
  const [ours, theirs] = [a, b].map((text) => text.trim().split(/(\d+(?:\.\d+)?(?:e[-+]?\d+)?)/));
  for (let i = 0; i < Math.min(ours.length, theirs.length); i++) {
    const order = i % 2 ? ours[i] - theirs[i] : ours[i].localeCompare(theirs[i], "en");
    if (order) return order;
  }
  return ours.length - theirs.length;
}

// Below 0 if one text goes before another; texts without a number are last in both orders.
function compare(a, b, numeric, sign) {
  if (!numeric) return sign * compareWords(a, b);
  const [x, y] = [number(a), number(b)];
  if (x === null || y === null) return (x === null) - (y === null);
  return sign * (x - y);
}

// Sort by a column: numbers from high to low first, words from A to Z; the second time the reverse.
// Networks before training stay below.
function sort(table, heading, column) {
  const numeric = !heading.classList.contains("text");
  const [first, second] = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
  const order = heading.getAttribute("aria-sort") === first ? second : first;
  table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const last = (row) => row.classList.contains("untrained");
  const text = (row) => row.cells[column].textContent;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => last(a) - last(b) || compare(text(a), text(b), numeric, sign));
  table.tBodies[0].append(...rows);
}

// Whether rows have one cell for each column, so that they can be moved and hidden.
function isPlain(table) {
  return table.tHead && !table.tBodies[0].querySelector("[rowspan]");
}

function makeSortable(table) {
  headings(table).forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading, column));
    heading.append(button);
  });
}

// A choice of methods --------------------------------------------------------------------------

// Holm's procedure with Shaffer's count, as bench/reporting/statistics/verdicts.py has it: the word on the
// first method of each pair, and by how many pairs alpha is divided.
function judge(pairs, alpha) {
  const tested = pairs.filter(([, , seeds]) => seeds > 1).length;
  let count = Math.max(1, tested);
  for (let round = 0; round < tested; round++) {
    const closed = pairs.filter(([, , , p, same]) => Math.max(p, same) <= alpha / count).length;
    count = Math.max(1, tested - closed);
  }
  const words = pairs.map(([, , , p, same, rises]) => {
    if (same <= alpha / count) return "same";
    if (p <= alpha / count) return rises ? "better" : "worse";
    return "undecided";
  });
  return { words, count, tested };
}

// The methods that are not shown to be worse than another one; none if no pair could be tested.
function leaders(pairs, { words, tested }, shown) {
  const worse = new Set(
    pairs.flatMap(([first, second], i) =>
      words[i] === "better" ? [second] : words[i] === "worse" ? [first] : []));
  return new Set(tested ? [...shown].filter((method) => !worse.has(method)) : []);
}

// Write a cell again, in bold or not.
function mark(cell, bold) {
  const text = cell.textContent;
  const strong = document.createElement("strong");
  strong.textContent = text;
  cell.replaceChildren(bold ? strong : text);
}

// Apply a choice (positions in data.methods) to the tables of a section.
function choose(section, data, shown) {
  const hidden = new Set(data.methods.filter((_, i) => !shown.has(i)));
  for (const [a, b] of data.scores[data.judged])
    if (!shown.has(a) || !shown.has(b))
      for (const [x, y] of [[a, b], [b, a]])
        hidden.add(`${data.methods[x]} minus ${data.methods[y]}`);
  for (const row of section.querySelectorAll("tbody tr, details.run"))
    row.hidden = hidden.has(row.dataset.method ?? row.querySelector("th")?.textContent.trim()) &&
      (row.matches("details") || isPlain(row.closest("table")));

  const judged = {};
  for (const [heading, all] of Object.entries(data.scores)) {
    const pairs = all.filter(([a, b]) => shown.has(a) && shown.has(b));
    const found = judge(pairs, data.alpha);
    judged[heading] = { pairs, ...found, best: leaders(pairs, found, shown) };
  }
  for (const table of section.querySelectorAll("table.means"))
    markBest(table, data.methods, judged);
  if (!data.fixed) say(section, data, judged[data.judged]);
  return [...judged[data.judged].best].map((i) => data.methods[i]);
}

function markBest(table, methods, judged) {
  const columns = headings(table).map((heading) => judged[heading.textContent.trim()]);
  for (const row of table.querySelectorAll("tbody tr:not(.untrained)")) {
    const method = methods.indexOf(row.querySelector("th").textContent.trim());
    columns.forEach((column, x) => {
      if (column) mark(row.cells[x], column.best.has(method) && row.cells[x].textContent !== "–");
    });
  }
}

// The words of the pairs, and the level that decides.
function say(section, data, { pairs, words, count }) {
  const said = new Map(pairs.map(([first, second], i) => {
    const undecided = data.undecided[`${first} ${second}`]?.[count - 1];
    const text = words[i] === "undecided" ? undecided ?? "undecided" : words[i];
    return [`${data.methods[first]} minus ${data.methods[second]}`, text];
  }));
  for (const cell of section.querySelectorAll("td.verdict")) {
    const text = said.get(cell.parentElement.querySelector("th").textContent.trim());
    if (text) cell.textContent = text;
  }
  for (const level of section.querySelectorAll(".level"))
    level.textContent = String(Number((data.alpha / count).toPrecision(2)));
}

function makeChoice(section, data) {
  const box = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = "Methods in the tables";
  const note = document.createElement("p");
  note.setAttribute("role", "status");
  const checks = data.methods.map((method) => {
    const check = document.createElement("input");
    check.type = "checkbox";
    check.checked = true;
    const label = document.createElement("label");
    label.append(check, ` ${method}`);
    box.append(label);
    return check;
  });
  box.prepend(legend);
  box.append(note);
  box.addEventListener("change", () => {
    const shown = new Set(checks.flatMap((check, i) => (check.checked ? [i] : [])));
    const best = choose(section, data, shown);
    const chosen = document.querySelector("fieldset input:not(:checked)") !== null;
    document.querySelector("main").classList.toggle("chosen", chosen);  // see report.css
    note.textContent = shown.size === data.methods.length ? "" :
      `${shown.size} of ${data.methods.length} methods. ` +
      (data.fixed ? "Verdicts are those of the whole table, on which seeds were added. " :
        "Verdicts and marks are corrected for the pairs of these methods. ") +
      (best.length ? `Not shown to be worse in ${data.judged}: ${best.join("; ")}. ` : "") +
      "Sentences and figures are still those of all methods.";
  });
  section.querySelector(".scores").before(box);
}

for (const table of document.querySelectorAll("main table"))
  if (isPlain(table) && table.tBodies[0].rows.length > 1) makeSortable(table);
for (const script of document.querySelectorAll("script.choices"))
  makeChoice(script.closest("section"), JSON.parse(script.textContent));
