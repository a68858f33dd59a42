// Every link and form of the page leads to an address. The event "nav" requests its page, which
// carries the address that it has in the end.
//
// One request is on its way at a time, and of those that wait only the last is sent: answers could
// overtake each other. (Gradio's "always_last" forgets what a waiting event holds.) Keys that are
// pressed meanwhile follow one after the other, each on the page that the one before led to.
const PATIENCE = 30000;  // milliseconds after which a request counts as lost
const SHORT = 300;  // milliseconds without a word
const MOST_KEYS = 8;  // more come from a key that is held
let sent = 0;
let waiting = null;
let reveal = null;  // what a press was about, brought into view with the answer
let keys = [];
let timers = [];

const isBusy = () => Date.now() - sent <= PATIENCE;
const request = (address) => {
  waiting = address;
  if (!isBusy()) send();
};
const send = () => {
  sent = Date.now();
  timers.forEach(clearTimeout);
  timers = [setTimeout(say, SHORT, 'Loading …'),
    setTimeout(say, PATIENCE, 'No answer yet. Press again to repeat the request.')];
  trigger('nav', {address: waiting});
  waiting = null;
};
const word = document.createElement('p');
word.id = 'waiting';
word.setAttribute('role', 'status');
document.body.append(word);
const say = (text) => { word.textContent = text; };
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
  if (event.isTrusted) keys = [];  // a press, where keys only call `click`
  else if (isBusy() && link.dataset.key) {
    if (keys.length < MOST_KEYS) keys.push(link.dataset.key);
    return;
  }
  reveal = aboutOf(link);
  go(link.getAttribute('href'));
});
window.addEventListener('popstate', () => {
  keys = [];
  request(location.search);
});

watch('value', () => {
  sent = 0;
  timers.forEach(clearTimeout);
  if (waiting !== null) return send();
  say('');
  const page = element.querySelector('[data-address]');
  if (page) history.replaceState(null, '', page.dataset.address);
  settle();
  if (reveal) element.querySelector(reveal)?.scrollIntoView({block: 'nearest'});
  reveal = null;
  const key = keys.shift();
  const next = [...element.querySelectorAll('[data-key]')].find((a) => a.dataset.key === key);
  if (next) next.click();
  else keys = [];
});
