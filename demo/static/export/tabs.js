// What each tab shows, from a view: as the modules of `demo/tabs`, and with the same templates.
const {MOST_MISSED, MOST_CLASSES, LISTED, NEAREST_ZOOM} = EXPORT.limits;
const labelOf = (shelf, name) => shelf.runs.find((run) => run.name === name).label;
const withImages = async (shelf) => ({shelf, images: await openImages(shelf)});

const TABS = {
  start(view) {
    const sections = EXPORT.start.map((set) => {
      const shelf = EXPORT.shelves.find(({key}) => key === set.shelf);
      const queries = set.queries.map(({words, name, position, to}) => [words, {
        position, class_name: name, picture: picture({shelf}, position), address: hashed(to),
      }]);
      return {...set, address: hashed(set.address), queries};
    });
    return templates['export_start.html'].show({sections, notes: EXPORT.notes});
  },

  async explore(view) {
    const shelf = shelfOf(view), of = await withImages(shelf), run = await openRun(shelf, view.run);
    const neighbors = neighborsOf(of, run, view.query, view.neighbors);
    const lost = missed(of, run, view.query, view.neighbors);
    const fits = (item) => view.show === 'all' || item.hit === (view.show === 'right');
    const shown = neighbors.filter(fits);
    return templates['explore.html'].show({
      view, parts: parts(view), outcome: outcome(of, run, view.query), word: run.word,
      picture: picture(of, view.query), neighbors,
      cards: shown.map((item) => card(of, view, item)),
      filters: EXPORT.rules.choices.show.map((show) => [show, writeAddress(view, {show})]),
      lost: lost.found.slice(0, MOST_MISSED).map((item) => [tile(of, view, item.position), item]),
      more_lost: Math.max(0, lost.total - MOST_MISSED),
      unlisted: Math.max(0, run.relevant[view.query] - neighbors.filter(({hit}) => hit).length - lost.total),
      saved: run.saved, exact: run.exact, unranked: run.unranked,
      steps: steps(run, view), classes: classes(of, view), export: listed(of, shown),
      file_name: `${view.run}-query-${view.query}`,
    });
  },

  async compare(view) {
    const shelf = shelfOf(view), others = shelf.runs.filter((run) => run.name !== view.run);
    if (!others.length) {
      const text = 'The export has one run of this data set; two are needed to compare.';
      return templates['message.html'].show({text, kind: 'notice'});
    }
    view = {...view, other: otherOf(shelf, view).name};
    const of = await withImages(shelf), names = [view.run, view.other];
    const runs = await Promise.all(names.map((name) => openRun(shelf, name)));
    const [left, right] = runs, lists = runs.map((run) => neighborsOf(of, run, view.query, view.neighbors));
    const ids = lists.map((list) => new Set(list.map((item) => item.position)));
    const isCommon = (item) => ids.every((found) => found.has(item.position));
    const badge = (item, letter) => (isCommon(item) ? 'in both' : `only in ${letter}`);
    const rows = lists[0].slice(0, lists[1].length).map((_, rank) => [0, 1].map((side) => {
      const item = lists[side][rank], letter = 'AB'[side];
      return [card(of, view, item), letter, badge(item, letter)];
    }));
    const sets = remembered(`sets ${names}`, () => setsOf(left, right)), k = view.neighbors;
    const members = sets[view.only], pages = paged(members.length, view);
    return templates['compare.html'].show({
      view, parts: parts(view), runs: others.map((run) => [run.name, run.label]),
      swapped: writeAddress(view, {run: view.other, other: view.run}),
      sides: runs.map((run, side) => ({letter: 'AB'[side], label: labelOf(shelf, names[side]),
        outcome: outcome(of, run, view.query), flips: run.flips})),
      query: tile(of, view, view.query), rows, cards: rows.flat().map(([item]) => item),
      common: lists[0].filter(isCommon).length,
      share: remembered(`shared ${k} ${names}`, () => shared(left, right, k)), word: left.word,
      sets: EXPORT.rules.choices.only.map((only) =>
        [only, sets[only].length, writeAddress(view, {only, page: 1})]),
      steps: around(members, view),
      tiles: members.slice(pages.first, pages.end).map((position) => tile(of, view, position)),
      pages,
    });
  },

  async map(view) {
    const shelf = shelfOf(view), of = await withImages(shelf), run = await openRun(shelf, view.run);
    if (!run.map) {
      const text = `The export has no map of ${labelOf(shelf, view.run)}.`;
      return templates['message.html'].show({text, kind: 'notice'});
    }
    view = {...view, zoom: Math.min(view.zoom, NEAREST_ZOOM)};
    const {map} = run, neighbors = neighborsOf(of, run, view.query, view.neighbors);
    const cards = neighbors.map((item) => card(of, view, item));
    const first = neighbors.slice(0, map.nearest);
    const isNear = (item) => map.near[view.query] >> (item.rank - 1) & 1;
    return templates['map.html'].show({
      canvas: {
        source: `${shelf.key} ${view.run}`, pictures: `${shelf.number}/`, count: shelf.images,
        steps: 1, step: 0, key: 'q', queries: shelf.queries, query: view.query,
        rings: neighbors.map((item) => `${item.position}:${Number(item.hit)}`).join(' '),
        area: view.area, scale: view.zoom,
      },
      map, run: '', results: '', images: shelf.images, word: run.word, outcome: outcome(of, run, view.query),
      picture: picture(of, view.query), neighbors, cards,
      kept: map.near ? first.filter(isNear).length : null, of: first.length,
      nearest: map.nearest, counted: map.counted,
      chosen: view.area ? chosen(of, view, map) : null, zooms: zooms(view),
      clear: writeAddress(view, {area: ''}),
    });
  },

  async results(view) {
    return raw(await openResults(shelfOf(view)));
  },
};

// The run that is compared: that of the address, or the first of another method.
function otherOf(shelf, view) {
  const others = shelf.runs.filter((run) => run.name !== view.run);
  const {method} = shelf.runs.find((run) => run.name === view.run);
  return others.find((run) => run.name === view.other)
    ?? others.find((run) => run.method !== method) ?? others[0];
}

const hashed = (address) => address.replace('?', '#');
const anyOf = (values) => values[Math.floor(Math.random() * values.length)];

function steps(run, view) {
  const count = run.relevant.length;
  const failures = remembered(`failures ${view.run}`, () => [...run.relevant.keys()]
    .filter((n) => run.relevant[n] > 0 && run.first_hit[n] !== 1));
  const others = (values) => values.filter((n) => n !== view.query);
  const targets = {previous: (view.query + count - 1) % count, next: (view.query + 1) % count,
    random: anyOf(others([...run.relevant.keys()])), failure: anyOf(others(failures))};
  return Object.entries(EXPORT.steps).map(([step, [words, key]]) => [step, words, key,
    targets[step] === undefined ? '' : writeAddress(view, {query: targets[step]})]);
}

// The first query of each class whose name contains the search, and how many more there are.
function classes(of, view) {
  const text = view.search.toLowerCase().trim(), {labels, class_names: names} = of.images;
  if (!text) return [[], 0];
  const first = new Map();
  for (let query = of.shelf.queries - 1; query >= 0; query -= 1) first.set(labels[query], query);
  const found = [...first.keys()].sort((one, other) => one - other)
    .filter((label) => names[label].toLowerCase().includes(text));
  return [found.slice(0, MOST_CLASSES).map((label) => tile(of, view, first.get(label))),
    Math.max(0, found.length - MOST_CLASSES)];
}

// The list as a table, in an address. A program would take a text that begins like a formula for one.
function listed(of, neighbors) {
  const cell = (text) => `"${text.replace(/^[=+@-]/, "'$&").replaceAll('"', '""')}"`;
  const rows = neighbors.map((item) => [item.rank, item.position, cell(of.images.items[item.position]),
    cell(item.class_name), fixed(item.similarity, 6), Number(item.hit)]);
  const table = [['rank', 'position', 'item', 'class', 'similarity', 'same_class'], ...rows];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(table.map((row) => `${row}\n`).join(''))}`;
}

// The queries before and after this one in a set.
function around(members, view) {
  if (!members.length) return [];
  const at = members.indexOf(view.query), count = members.length;
  const before = members[(at < 0 ? count - 1 : at + count - 1) % count];
  const after = members[at < 0 ? 0 : (at + 1) % count];
  return [['Previous', '[', writeAddress(view, {query: before})],
    ['Next', ']', writeAddress(view, {query: after})]];
}

function zooms(view) {
  const near = Math.min(2 * view.zoom, NEAREST_ZOOM), far = Math.floor(view.zoom / 2);
  return [
    ['nearer', 'Nearer', '+', near > view.zoom ? writeAddress(view, {zoom: near}) : ''],
    ['farther', 'Farther', '-', far ? writeAddress(view, {zoom: far}) : ''],
  ];
}

// The images within a line around a part of the map, and their commonest classes.
function chosen(of, view, map) {
  const {labels, class_names: names} = of.images, count = of.shelf.images;
  const corners = view.area.split('-').map((pair) =>
    pair.split('.').map((value) => value * SIDE / GRAIN));
  const isWithin = (x, y) => corners.reduce((inside, [ax, ay], n) => {
    const [bx, by] = corners[(n + 1) % corners.length];
    return (ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax ? !inside : inside;
  }, false);
  const found = [...Array(count).keys()].filter((n) => isWithin(map.places[n], map.places[count + n]));
  const counts = new Map();
  for (const n of found) counts.set(labels[n], (counts.get(labels[n]) ?? 0) + 1);
  const common = [...counts].sort(([one, many], [other, more]) =>
    more - many || (names[one] < names[other] ? -1 : 1));
  return {
    count: found.length, classes: counts.size,
    common: common.slice(0, 5).map(([label, number]) => [names[label], number]),
    listed: found.slice(0, LISTED).map((position) => tile(of, view, position)),
  };
}
