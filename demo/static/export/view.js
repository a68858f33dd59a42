// The state of the page, as its address holds it: as in the browser, `demo/view.py`, whose rules
// these are, but behind a `#`.
const shelfOf = (view) => EXPORT.shelves.find((shelf) => shelf.key === view.shelf);
const readAddress = (address) => Object.fromEntries(new URLSearchParams(address.slice(1)));

function readView(parameters) {
  const {rules, shelves, tabs} = EXPORT, key = (name) => rules.keys[name] ?? name;
  const found = (name) => (Object.hasOwn(parameters, key(name)) ? parameters[key(name)] : '');
  const shelf = shelves.find(({key: own}) => own === found('shelf')) ?? shelves[0];
  const named = (name) => shelf.runs.find((run) => run.name === name);
  const first = found('run') || found('query') ? 'explore' : 'start';
  const view = {...rules.fields, shelf: shelf.key, run: (named(found('run')) ?? named(shelf.first)).name,
    tab: Object.hasOwn(tabs, found('tab')) ? found('tab') : first,
    search: found('search').slice(0, rules.longest),
    area: new RegExp(`^(?:${rules.area})$`).test(found('area')) ? found('area') : '',
    other: named(found('other'))?.name ?? ''};
  for (const [name, values] of Object.entries(rules.choices)) {
    if (values.includes(found(name))) view[name] = found(name);
  }
  for (const [name, least] of Object.entries(rules.least)) {
    if (/^-?[0-9]{1,9}$/.test(found(name))) view[name] = Math.max(least, Number(found(name)));
  }
  view.query = Math.min(view.query, shelf.queries - 1);
  return view;
}

// Parts of the view's address, without those that have their default.
function parts(view) {
  const {rules} = EXPORT, {fields} = rules;
  const named = Object.keys(fields).filter((name) =>
    rules.always.includes(name) || view[name] !== fields[name]);
  return Object.fromEntries(named.map((name) => [rules.keys[name] ?? name, String(view[name])]));
}

const writeAddress = (view, changes = {}) =>
  '#' + new URLSearchParams(parts({...view, ...changes}));
