// Maps: dots of whole numbers from `data-source`, the query as a star, rings around its neighbors.
// A dot shows its picture, and is made the query when it is pressed; a line around dots lists them.
const SIDE = 65535, GRAIN = 999, CORNERS = 60, PAD = 12, REACH = 14;
const sources = new Map();
const drawings = new WeakMap();  // box -> what is drawn last in it
const places = new Map();  // slot of a moving map -> source and step that it shows

function points(source, count, steps) {
  if (!sources.has(source)) {
    if (sources.size > 6) sources.clear();
    sources.set(source, bytesOf(source).then((bytes) => ({
      places: new Uint16Array(bytes, 0, 2 * count * steps),
      labels: new Uint32Array(bytes.slice(4 * count * steps)),
    })));
  }
  return sources.get(source);
}

// The page may reuse a box for another map: a drawing that is not its last one ends, and points of
// other images are not shown while these are on their way.
async function drawMap(box) {
  const {source, slot = ''} = box.dataset, count = +box.dataset.count;
  const step = +box.dataset.step, query = +box.dataset.query;
  const drawing = {source}, isLast = () => drawings.get(box) === drawing;
  if (drawings.has(box) && drawings.get(box).source !== source) wipe(box);
  drawings.set(box, drawing);
  let found;
  try {
    found = await points(source, count, +box.dataset.steps);
  } catch {
    sources.delete(source);
    if (isLast()) wipe(box, 'The points of this map were not found; load the page again.');
    return;
  }
  if (!isLast()) return;
  box.querySelector('.lost').textContent = '';
  const at = (n) => [found.places.subarray(2 * n * count, (2 * n + 1) * count),
    found.places.subarray((2 * n + 1) * count, (2 * n + 2) * count)];
  const before = places.get(slot);
  places.set(slot, {source, step});
  const [x, y] = at(step), rings = new Map(box.dataset.rings.split(' ').filter(Boolean)
    .map((ring) => ring.split(':').map(Number)));
  const map = {box, x, y, labels: found.labels, query, rings, side: box.clientWidth,
    zoom: +(box.dataset.scale || 1)};
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (slot && before && before.source === source && before.step !== step && !still) {
    const [oldX, oldY] = at(before.step), start = performance.now();
    const frame = (now) => {
      if (!box.isConnected || !isLast()) return;
      const share = Math.min(1, (now - start) / 400);
      const moved = (from, to) => from.map((value, n) => value + share * (to[n] - value));
      paint({...map, x: moved(oldX, x), y: moved(oldY, y)});
      if (share < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  } else {
    paint(map);
  }
  listen(map);
}

// An empty map that does not react, with a word on it.
function wipe(box, text = '') {
  const canvas = box.querySelector('canvas');
  canvas.width = canvas.height = 0;
  for (const kind of ['down', 'move', 'leave', 'up']) canvas[`onpointer${kind}`] = null;
  box.querySelector('.peek').hidden = true;
  box.querySelector('.lost').textContent = text;
}

// From coordinates of the map to pixels and back; nearer ones have the query in the middle.
const scale = (map) => map.zoom * (map.side - 2 * PAD) / SIDE;
const centre = (map, axis) => (map.zoom > 1 ? axis[map.query] : SIDE / 2);
const onto = (map, mx, my) => [map.side / 2 + (mx - centre(map, map.x)) * scale(map),
  map.side / 2 + (my - centre(map, map.y)) * scale(map)];
const back = (map, px, py) => [(px - map.side / 2) / scale(map) + centre(map, map.x),
  (py - map.side / 2) / scale(map) + centre(map, map.y)];
const place = (map, n) => onto(map, map.x[n], map.y[n]);

function paint(map, line = null) {
  const {box, labels, query, rings, side} = map, canvas = box.querySelector('canvas');
  const ratio = window.devicePixelRatio || 1, style = getComputedStyle(box);
  const colour = (name) => style.getPropertyValue(name).trim();
  canvas.width = canvas.height = side * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const size = (labels.length > 20000 ? 1 : labels.length > 2000 ? 2 : 3) + (map.zoom > 1 ? 2 : 0);
  pen.fillStyle = style.color;
  pen.globalAlpha = 0.45;
  for (let n = 0; n < labels.length; n += 1) {
    if (labels[n] === labels[query]) continue;
    const [px, py] = place(map, n);
    pen.fillRect(px - size / 2, py - size / 2, size, size);
  }
  pen.globalAlpha = 1;
  const disc = (n, radius) => { pen.beginPath(); pen.arc(...place(map, n), radius, 0, 7); };
  pen.fillStyle = colour('--right');
  for (let n = 0; n < labels.length; n += 1) {
    if (labels[n] === labels[query]) { disc(n, size / 2 + 1.5); pen.fill(); }
  }
  pen.lineWidth = 1.5;
  for (const [n, right] of rings) {
    pen.strokeStyle = colour(right ? '--right' : '--wrong');
    pen.setLineDash(right ? [] : [4, 3]);
    pen.beginPath();
    pen.moveTo(...place(map, query));
    pen.lineTo(...place(map, n));
    pen.stroke();
    disc(n, map.zoom > 1 ? 7 : 5);
    pen.stroke();
  }
  pen.setLineDash([]);
  paintStar(pen, ...place(map, query), style.color, colour('--background-fill-primary'));
  const corners = line || corner(map);
  if (corners.length > 1) {
    pen.beginPath();
    corners.forEach(([px, py]) => pen.lineTo(px, py));
    pen.closePath();
    pen.lineWidth = 2;
    pen.strokeStyle = style.color;
    pen.stroke();
  }
}

// The star is beside the query, with a line to it, and hides none of its near neighbors.
function paintStar(pen, x, y, ink, paper) {
  const up = y > 60 ? -34 : 34;
  pen.font = '24px sans-serif';
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  for (const [width, colour] of [[5, paper], [2, ink]]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x, y + up);
    pen.stroke();
    pen.beginPath();
    pen.arc(x, y, 1.5 + width / 2, 0, 7);
    pen.fillStyle = colour;
    pen.fill();
  }
  pen.strokeStyle = paper;
  pen.lineWidth = 4;
  pen.strokeText('★', x, y + up);
  pen.fillStyle = ink;
  pen.fillText('★', x, y + up);
}

// The corners of the chosen part, in pixels.
function corner(map) {
  return (map.box.dataset.area || '').split('-').filter(Boolean)
    .map((pair) => onto(map, ...pair.split('.').map((value) => value * SIDE / GRAIN)));
}

function nearest(map, px, py) {
  const [mx, my] = back(map, px, py);
  let best = -1, least = (REACH / scale(map)) ** 2;
  for (let n = 0; n < map.labels.length; n += 1) {
    const far = (map.x[n] - mx) ** 2 + (map.y[n] - my) ** 2;
    if (far < least) { best = n; least = far; }
  }
  return best;
}

function listen(map) {
  const {box} = map, canvas = box.querySelector('canvas');
  let line = null, shown = -1;
  const spot = (event) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  const peek = (n, px, py) => {
    const frame = box.querySelector('.peek');
    frame.hidden = n < 0;
    if (n >= 0 && n !== shown) {
      const image = new Image(96, 96), text = document.createElement('span');
      paintPicture(image, box.dataset.pictures + n);
      image.alt = '';
      text.textContent = `Image ${n}: ${n === map.query ? 'the query' :
        map.labels[n] === map.labels[map.query] ? 'same class' : 'other class'}`;
      frame.replaceChildren(image, text);
    }
    frame.style.left = `${Math.min(px + 12, map.side - 124)}px`;
    frame.style.top = `${py > map.side / 2 ? py - 150 : py + 12}px`;
    shown = n;
  };
  canvas.onpointerdown = (event) => {
    line = event.pointerType === 'touch' ? null : [spot(event)];
    if (line) canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    const [px, py] = spot(event), last = line && line[line.length - 1];
    if (last && 'area' in box.dataset && Math.hypot(px - last[0], py - last[1]) > 4) {
      line.push([px, py]);
      paint(map, line);
    }
    peek(line && line.length > 1 ? -1 : nearest(map, px, py), px, py);
  };
  canvas.onpointerleave = () => peek(-1, 0, 0);
  canvas.onpointerup = (event) => {
    const address = new URLSearchParams(here()), drawn = line || [];
    line = null;
    if (drawn.length > 2) {
      const every = Math.ceil(drawn.length / CORNERS);
      const whole = (value) => Math.max(0, Math.min(GRAIN, Math.round(value * GRAIN / SIDE)));
      address.set('area', drawn.filter((_, n) => n % every === 0)
        .map((pair) => back(map, ...pair).map(whole).join('.')).join('-'));
      reveal = '#chosen h2';
    } else {
      const n = nearest(map, ...spot(event));
      if (n < 0 || n >= +box.dataset.queries) return;
      address.set(box.dataset.key, n);
    }
    go('?' + address);
  };
}

const drawMaps = () => element.querySelectorAll('.map').forEach(drawMap);
watch('value', drawMaps);
window.addEventListener('resize', drawMaps);

// Play: the next kept step, a moment after each was drawn.
let playing = null;
function setPlaying(on) {
  clearTimeout(playing);
  playing = on ? setTimeout(playOn, 900) : null;
  const button = element.querySelector('[data-play]');
  if (button) button.textContent = on ? 'Pause' : 'Play';
}
function playOn() {
  const link = element.querySelector('#later[href]');
  if (!link) { setPlaying(false); return; }
  const address = link.getAttribute('href');
  history.replaceState(null, '', address);
  request(address);
}
element.addEventListener('click', (event) => {
  if (!event.target.closest('[data-play]')) return;
  if (playing) { setPlaying(false); return; }
  const first = element.querySelector('#later[href]') ? null : element.querySelector('#first');
  setPlaying(true);
  if (first) go(first.getAttribute('href'));
});
watch('value', () => {
  if (playing) setPlaying(Boolean(element.querySelector('#later[href]')));
});
