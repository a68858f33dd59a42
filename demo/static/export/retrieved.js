// What runs retrieve, and what the templates show of it: the counterparts of `demo/retrieved.py`,
// `missed.py`, `outcomes.py`, `pages.py` and `pictures.py`. `of` is a shelf with its images.
const {SMALL, LENGTH} = EXPORT.limits;

const className = (of, position) => of.images.class_names[of.images.labels[position]];
const picture = ({shelf}, position) => ({
  address: pictureAddress(shelf, position), key: `${shelf.number}-${position}`,
  height: shelf.height, width: shelf.width,
  crisp: Math.max(shelf.height, shelf.width) < SMALL,
});

const tile = (of, view, position, changes = {}) => ({
  position, class_name: className(of, position), picture: picture(of, position),
  address: position < of.shelf.queries ? writeAddress(view, {...changes, query: position}) : '',
});

const card = (of, view, neighbor) => ({
  neighbor, picture: picture(of, neighbor.position),
  address: neighbor.is_query ? writeAddress(view, {query: neighbor.position}) : '',
});

function neighborsOf(of, run, query, k) {
  const found = [];
  for (let column = 0; column < Math.min(k, run.shown); column += 1) {
    const position = run.neighbors[query * run.shown + column];
    if (position < 0) continue;
    found.push({
      rank: column + 1, position, class_name: className(of, position),
      similarity: run.similarities[query * run.shown + column],
      hit: of.images.labels[position] === of.images.labels[query],
      is_query: position < of.shelf.queries, item: of.images.items[position],
    });
  }
  return found;
}

const outcome = (of, run, query) => ({
  query, class_name: className(of, query), item: of.images.items[query], searched: run.searched,
  relevant: run.relevant[query], first_hit: run.first_hit[query],
  average_precision: run.average_precision[query],
});

// Images of the query's class that are not among the k neighbors shown, and how many there are.
function missed(of, run, query, k) {
  const {beyond} = run, width = beyond.positions.length / beyond.count.length;
  const found = neighborsOf(of, run, query, run.shown)
    .filter((neighbor) => neighbor.hit && neighbor.rank > k);
  const total = found.length + beyond.count[query];
  for (let n = query * width; n < (query + 1) * width && beyond.positions[n] >= 0; n += 1) {
    const cosine = beyond.cosines ? beyond.cosines[n] : NaN;
    found.push({position: beyond.positions[n], rank: beyond.ranks[n] || null,
      similarity: Number.isNaN(cosine) ? null : cosine});
  }
  return {found, total};
}

// What was found before under a key is not found again: two runs have many queries.
const known = new Map();
function remembered(key, find) {
  if (!known.has(key)) known.set(key, find());
  return known.get(key);
}

// Queries by which of two runs are right at rank 1, in the order of `sets_of`.
function setsOf(left, right) {
  const all = [...left.relevant.keys()].filter((query) => left.relevant[query] > 0);
  const a = (query) => left.first_hit[query] === 1, b = (query) => right.first_hit[query] === 1;
  const [first, second] = [left.average_precision, right.average_precision];
  const rising = (values) => (one, other) => values(one) - values(other);
  const gap = (from, to) => (query) => Math.fround(to[query] - from[query]);  // as NumPy rounds it
  return {
    all,
    both: all.filter((query) => a(query) && b(query)),
    a: all.filter((query) => a(query) && !b(query)).sort(rising(gap(first, second))),
    b: all.filter((query) => b(query) && !a(query)).sort(rising(gap(second, first))),
    none: all.filter((query) => !a(query) && !b(query))
      .sort(rising((q) => Math.max(first[q], second[q]))),
  };
}

// Share of the first k neighbors of all queries that both runs have, in any order.
function shared(left, right, k) {
  let both = 0, all = 0;
  const [widths, own, other] = [[left.shown, right.shown], left.neighbors, right.neighbors];
  const [wide, wideOther] = widths.map((width) => Math.min(k, width));
  for (let query = 0; query < left.relevant.length; query += 1) {
    const [start, startOther] = widths.map((width) => query * width);
    const others = other.subarray(startOther, startOther + wideOther);
    for (let n = start; n < start + wide; n += 1) {
      if (own[n] < 0) continue;
      all += 1;
      if (others.includes(own[n])) both += 1;
    }
  }
  return both / Math.max(1, all);
}

function paged(total, view) {
  const count = Math.max(1, Math.ceil(total / LENGTH)), number = Math.min(view.page, count);
  const to = (page) => writeAddress(view, {page});
  return {
    number, count, first: (number - 1) * LENGTH, end: Math.min(number * LENGTH, total), total,
    before: number > 1 ? to(number - 1) : '', after: number < count ? to(number + 1) : '',
  };
}
