// Every link and form of the page leads to an address. The event "nav" requests its page, which
// carries the address that it has in the end.
//
// One request is on its way at a time, and of those that wait only the last is sent: answers could
// overtake each other. (Gradio's "always_last" forgets what a waiting event holds.)
const PATIENCE = 10000;  // milliseconds after which a request counts as lost
let sent = 0;
let waiting = null;
let reveal = null;  // what a press was about, brought into view with the answer

const request = (address) => {
  waiting = address;
  if (Date.now() - sent > PATIENCE) send();
};
const send = () => {
  sent = Date.now();
  trigger('nav', {address: waiting});
  waiting = null;
};
// What `controls.js` and `map.js` need, beside `go`.
const here = () => location.search;
const bytesOf = (source) => fetch(source).then((answer) => {
  if (!answer.ok) throw new Error(`no points at ${source}`);
  return answer.arrayBuffer();
});
const paintPicture = (image, address) => { image.src = address; };
const go = (address) => {
  element.querySelectorAll('dialog[open]').forEach((open) => open.close());
  if (address !== location.search) history.pushState(null, '', address);
  request(address);
};

element.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  reveal = link.closest('.hits, .tiles') ? '#card' : link.dataset.tab ? '.tab' : null;
  go(link.getAttribute('href'));
});
window.addEventListener('popstate', () => request(location.search));

watch('value', () => {
  sent = 0;
  if (waiting !== null) return send();
  const page = element.querySelector('[data-address]');
  if (page) history.replaceState(null, '', page.dataset.address);
  settle();
  if (reveal) element.querySelector(reveal)?.scrollIntoView({block: 'nearest'});
  reveal = null;
});
