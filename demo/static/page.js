// Every link and form of the page leads to an address. The event "nav" requests its page, which
// carries the address that it has in the end.
//
// One request is on its way at a time, and of those that wait only the last is sent: answers could
// overtake each other. (Gradio's "always_last" forgets what a waiting event holds.)
const PATIENCE = 10000;  // milliseconds after which a request counts as lost
let sent = 0;
let waiting = null;

const request = (address) => {
  waiting = address;
  if (Date.now() - sent > PATIENCE) send();
};
const send = () => {
  sent = Date.now();
  trigger('nav', {address: waiting});
  waiting = null;
};
const go = (address) => {
  element.querySelectorAll('dialog[open]').forEach((open) => open.close());
  if (address !== location.search) history.pushState(null, '', address);
  request(address);
};

element.addEventListener('click', (event) => {
  const zoom = event.target.closest('[data-zoom]');
  if (zoom) return enlarge(zoom.parentElement);
  if (event.target.closest('[data-help]')) return dialog('help').showModal();
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute('href'));
});
element.addEventListener('submit', (event) => {
  if (event.target.method === 'dialog') return;
  event.preventDefault();
  go('?' + new URLSearchParams(new FormData(event.target)));
});
element.addEventListener('change', (event) => event.target.form?.requestSubmit());
window.addEventListener('popstate', () => request(location.search));

// What was typed or chosen gives way to what is shown: browsers keep it otherwise.
watch('value', () => {
  sent = 0;
  if (waiting !== null) return send();
  const page = element.querySelector('[data-address]');
  if (page) history.replaceState(null, '', page.dataset.address);
  for (const option of element.querySelectorAll('option')) option.selected = option.defaultSelected;
  for (const input of element.querySelectorAll('input')) input.value = input.defaultValue;
});

const dialog = (name) => element.querySelector(`dialog#${name}`);

// The picture in `holder`, large, with the words of its card.
function enlarge(holder) {
  const shown = dialog('zoom');
  shown.querySelector('.large').replaceChildren(holder.querySelector('img').cloneNode());
  shown.querySelector('p').textContent =
    (holder.querySelector('[aria-label]:not(button)') ?? holder).getAttribute('aria-label');
  shown.showModal();
}

// Keys: those that links name, `?` and `z`, and the arrows inside a list of pictures.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, select, textarea, dialog')) return;
  const link = [...element.querySelectorAll('[data-key]')].find((a) => a.dataset.key === event.key);
  const holder = event.target.closest('.hits li');
  if (link) link.click();
  else if (event.key === '?') dialog('help').showModal();
  else if (event.key === 'z') enlarge(holder ?? element.querySelector('.zoomed'));
  else if (holder) moveFocus(event, [...holder.parentElement.querySelectorAll('a.hit')]);
});

function moveFocus(event, hits) {
  const top = (hit) => hit.getBoundingClientRect().top;
  const columns = hits.filter((hit) => top(hit) === top(hits[0])).length;
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
  const next = hits[hits.indexOf(event.target) + steps[event.key]];
  if (!next) return;
  event.preventDefault();
  hits.forEach((hit) => { hit.tabIndex = hit === next ? 0 : -1; });
  next.focus();
}
