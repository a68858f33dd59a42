// A press on a neighbor becomes the event "pick"; the browser's back and forward become "nav".
element.addEventListener('click', (event) => {
  const hit = event.target.closest('button.hit');
  if (hit) trigger('pick', {id: Number(hit.dataset.id)});
});
window.addEventListener('popstate', () => trigger('nav', {address: location.search}));
