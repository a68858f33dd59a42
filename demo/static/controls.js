// What a visitor presses, types and chooses on the page, in the browser and in an export of it. The
// script before it says what `element` is and how to `go` to an address.
element.addEventListener('click', (event) => {
  const zoom = event.target.closest('[data-zoom]');
  if (zoom) return enlarge(zoom.parentElement);
  if (event.target.closest('[data-help]')) return dialog('help').showModal();
  const strip = event.target.closest('[data-strip]');
  if (strip) saveStrip(strip.dataset.strip);
});
element.addEventListener('submit', (event) => {
  if (event.target.method === 'dialog') return;
  event.preventDefault();
  go('?' + new URLSearchParams(new FormData(event.target)));
});
element.addEventListener('change', (event) => event.target.form?.requestSubmit());

// What was typed or chosen gives way to what is shown: browsers keep it otherwise.
const settle = () => {
  for (const option of element.querySelectorAll('option')) option.selected = option.defaultSelected;
  for (const input of element.querySelectorAll('input')) input.value = input.defaultValue;
};

const dialog = (name) => element.querySelector(`dialog#${name}`);

// What the press of a link is about, which is brought into view with the page.
function aboutOf(link) {
  if (link.closest('.pairs')) return '#failures h2';
  if (link.closest('.hits, .tiles, .strip, tbody')) return '#card';
  return link.dataset.tab ? '.tab' : null;
}

// The picture in `holder`, large, with the words of its card, but not what a press of it does.
function enlarge(holder) {
  if (!holder) return;
  const shown = dialog('zoom'), card = holder.querySelector('[aria-label]:not(button)') ?? holder;
  const words = card.getAttribute('aria-label');
  shown.querySelector('.large').replaceChildren(holder.querySelector('img').cloneNode());
  shown.querySelector('p').textContent =
    card.href ? words.slice(0, words.lastIndexOf('. ')) : words;
  shown.showModal();
}

// Keys: those that links name, `?` and `z`, and the arrows inside a list of pictures.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, select, textarea, dialog')) return;
  const link = [...element.querySelectorAll('[data-key]')].find((a) => a.dataset.key === event.key);
  const holder = event.target.closest('.hit') ?? event.target.closest('.hits li');
  if (link) link.click();
  else if (event.key === '?') dialog('help').showModal();
  else if (event.key === 'z') enlarge(holder ?? element.querySelector('.zoomed'));
  else if (holder) moveFocus(event, [...holder.closest('.hits').querySelectorAll('a.hit')]);
});

// The next picture of the row or column; after a row, the next of the list.
function moveFocus(event, hits) {
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1}[event.key];
  const isRow = ['ArrowLeft', 'ArrowRight'].includes(event.key);
  const [along, across] = isRow ? ['left', 'top'] : ['top', 'left'];
  const at = (hit, side) => Math.round(hit.getBoundingClientRect()[side]);
  const line = hits.filter((hit) => at(hit, across) === at(event.target, across))
    .sort((one, other) => at(one, along) - at(other, along));
  const next = line[line.indexOf(event.target) + step]
    ?? (isRow ? hits[hits.indexOf(event.target) + step] : null);
  if (!next) return;
  event.preventDefault();
  hits.forEach((hit) => { hit.tabIndex = hit === next ? 0 : -1; });
  next.focus();
}

// Saves the query and the shown neighbors as one picture, with frames and signs.
function saveStrip(name) {
  const [side, gap] = [112, 12];
  const cards = element.querySelectorAll('.zoomed, #grid .hit');
  const canvas = Object.assign(document.createElement('canvas'),
    {width: gap + cards.length * (side + gap), height: side + 2 * gap + 18});
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.font = '14px sans-serif';
  pen.lineWidth = 3;
  cards.forEach((card, place) => {
    const [image, x] = [card.querySelector('img'), gap + place * (side + gap)];
    const scale = side / Math.max(image.naturalWidth, image.naturalHeight);
    const [isHit, isQuery] = [card.dataset.ok === '1', !card.dataset.ok];
    pen.imageSmoothingEnabled = !image.classList.contains('crisp');
    pen.drawImage(image, x, gap, scale * image.naturalWidth, scale * image.naturalHeight);
    pen.strokeStyle = pen.fillStyle = isQuery ? '#000' : isHit ? '#00734f' : '#b04a00';
    pen.setLineDash(isQuery || isHit ? [] : [7, 4]);
    if (!isQuery) pen.strokeRect(x - 2, gap - 2, side + 4, side + 4);
    const text = isQuery ? 'query' : `${card.dataset.rank} ${isHit ? '✓' : '✗'}`;
    pen.fillText(text, x, side + gap + 20);
  });
  const link = Object.assign(document.createElement('a'),
    {download: name, href: canvas.toDataURL('image/png')});
  link.click();
}
