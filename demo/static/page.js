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
  if (address !== location.search) history.pushState(null, '', address);
  request(address);
};

element.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute('href'));
});
element.addEventListener('submit', (event) => {
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

// Keys: those that links name, and the arrows inside a grid.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, select, textarea, dialog')) return;
  const link = [...element.querySelectorAll('[data-key]')].find((a) => a.dataset.key === event.key);
  if (link) link.click();
  else if (event.target.closest('.hits')) moveFocus(event);
});

function moveFocus(event) {
  const hits = [...event.target.closest('.hits').querySelectorAll('a.hit')];
  const columns = hits.filter((hit) => hit.getBoundingClientRect().top ===
    hits[0].getBoundingClientRect().top).length;
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
  const next = hits[hits.indexOf(event.target.closest('a.hit')) + steps[event.key]];
  if (!next) return;
  event.preventDefault();
  hits.forEach((hit) => { hit.tabIndex = hit === next ? 0 : -1; });
  next.focus();
}
