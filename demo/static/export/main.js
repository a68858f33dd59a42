// What `controls.js` and `map.js` need: see `page.js`, which has the same for the browser.
const element = document.getElementById('page');
const watch = (_, listener) => drawn.push(listener);
const here = () => location.hash.slice(1);
const go = (address) => { location.hash = address.slice(1); };
const paintPicture = async (image, place) => {
  const [number, position] = place.split('/').map(Number), shelf = EXPORT.shelves[number];
  await load(packOf(shelf, position));
  image.src = pictureAddress(shelf, position);
};
const bytesOf = async (source) => {
  const [key, name] = source.split(' '), shelf = shelfOf({shelf: key});
  const [images, run] = [await openImages(shelf), await openRun(shelf, name)];
  return new Blob([Uint16Array.from(run.map.places), Uint32Array.from(images.labels)]).arrayBuffer();
};

// The page of the address, drawn whenever that changes.
let turn = 0;  // of the last page that was requested
const drawn = [];  // what is called after the page was drawn

async function compose(view, note) {
  const {queries, runs, stored} = shelfOf(view), {tabs, shelves} = EXPORT;
  const {kept} = runs.find((run) => run.name === view.run);
  view = {...view, neighbors: Math.min(view.neighbors, kept)};
  const shown = await TABS[view.tab](view);
  return templates['page.html'].show({
    view, address: writeAddress(view), drawn: '', notice: '', note, problems: [],
    titles: Object.fromEntries(shelves.map(({key, title}) => [key, title])),
    runs: runs.map(({name, label}) => [name, label]), stored, why: '', queries, kept,
    tabs: Object.entries(tabs).map(([key, title]) => [key, title, writeAddress(view, {tab: key, page: 1})]),
    parts: parts(view), shown,
  }).text;
}

// What the address names and is not shown, as links from elsewhere may name other runs.
function whatIsMissing(view, {ds, run, other}) {
  const shelf = shelfOf(view);
  const lacks = (kind, name) =>
    `The ${kind} ${name.slice(0, EXPORT.rules.longest)} of this address is not in this export`;
  if (ds && ds !== shelf.key) return `${lacks('data set', ds)}; this is ${shelf.title}.`;
  if (run && run !== view.run) return `${lacks('run', run)}; this is ${labelOf(shelf, view.run)}.`;
  if (other && other !== view.other) return `${lacks('run', other)}, so it is not compared.`;
  return '';
}

async function draw() {
  const own = turn += 1;
  let html;
  try {
    const parameters = readAddress(location.hash), view = readView(parameters);
    const note = whatIsMissing(view, parameters);
    do html = await compose(view, note); while (await fetchWanted());
  } catch (error) {
    html = templates['message.html'].show({text: error.message, kind: 'problem'}).text;
  }
  if (own !== turn) return;
  const focused = pathOf(document.activeElement);
  element.innerHTML = html;
  const page = element.querySelector('[data-address]');
  if (page) history.replaceState(null, '', page.dataset.address);
  settle();
  if (reveal) element.querySelector(reveal)?.scrollIntoView({block: 'nearest'});
  reveal = null;
  if (focused) element.querySelector(focused)?.focus({preventScroll: true});
  drawn.forEach((listener) => listener());
}

// Where the focus goes on after the page was drawn again.
function pathOf(focused) {
  if (!element.contains(focused)) return '';
  if (focused.closest('.hits')) return '.hits a.hit';
  if (focused.id) return `#${focused.id}`;
  if (focused.name) return `[name="${focused.name}"]`;
  const {tab, set, key} = focused.dataset;
  return tab ? `[data-tab="${tab}"]` : set ? `[data-set="${set}"]` : key ? `[data-key="${key}"]` : '';
}

let reveal = null;  // what a press was about, brought into view with the page
element.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link) reveal = aboutOf(link);
});
window.addEventListener('hashchange', draw);

const dark = matchMedia('(prefers-color-scheme: dark)');
const adapt = () => document.documentElement.classList.toggle('dark', dark.matches);
dark.addEventListener('change', adapt);
adapt();
