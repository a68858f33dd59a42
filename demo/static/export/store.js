// The data of the export: scripts that each put one thing into `arrived`, read when a page needs it.
const arrived = {};
const coming = new Map();  // path -> promise of what the script there puts into `arrived`

function load(path) {
  if (!coming.has(path)) {
    coming.set(path, new Promise((done, fail) => {
      const script = document.createElement('script');
      script.src = path;
      script.onload = () => (path in arrived ? done(arrived[path]) : script.onerror());
      script.onerror = () => {
        coming.delete(path);
        fail(new Error(`${path} is missing or cannot be read.`));
      };
      document.head.append(script);
    }));
  }
  return coming.get(path);
}

const KINDS = {i1: Int8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array};
function numbers({kind, base64}) {
  const bytes = atob(base64), found = new Uint8Array(bytes.length);
  for (let n = 0; n < bytes.length; n += 1) found[n] = bytes.charCodeAt(n);
  return new KINDS[kind](found.buffer);
}

const opened = new Map();  // path -> its content, unpacked
async function open(path) {
  if (!opened.has(path)) opened.set(path, unpacked(await load(path)));
  return opened.get(path);
}

// A copy of content in which packed arrays are unpacked.
const unpacked = (content) => Object.fromEntries(Object.entries(content).map(([name, value]) => {
  const isPlain = value === null || typeof value !== 'object' || Array.isArray(value);
  return [name, isPlain ? value : 'base64' in value ? numbers(value) : unpacked(value)];
}));

const openImages = (shelf) => open(`data/${shelf.number}/images.js`);
const openRun = (shelf, name) =>
  open(`data/${shelf.number}/run-${shelf.runs.findIndex((run) => run.name === name)}.js`);
const openResults = (shelf) => load(`data/${shelf.number}/results.js`);

// Addresses of pictures, which their scripts hold; those that a page lacks are `wanted`.
const wanted = new Set();
const packOf = (shelf, position) =>
  `data/${shelf.number}/pictures-${Math.floor(position / shelf.together)}.js`;
function pictureAddress(shelf, position) {
  const pack = arrived[packOf(shelf, position)];
  if (pack) return `data:${shelf.media};base64,${pack[position % shelf.together]}`;
  wanted.add(packOf(shelf, position));
  return '';
}
async function fetchWanted() {
  const packs = [...wanted];
  wanted.clear();
  await Promise.all(packs.map(load));
  return packs.length > 0;
}
