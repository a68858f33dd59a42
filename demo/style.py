"""Appearance and behaviour of the page that Gradio does not bring: CSS and JavaScript."""

# Frames differ in colour, line style and sign, so none of the three is needed alone. Colours are
# Okabe and Ito's green and vermilion, darkened or lightened until they contrast 4.5:1 in each mode.
CSS = """
:root { --right: #00734f; --wrong: #b04a00; --on-mark: #ffffff }
.dark { --right: #3ecf9f; --wrong: #ff9a57; --on-mark: #10131a }
.gradio-container { max-width: 1400px !important; padding: 12px 16px !important }
#head h1 { font-size: 1.3rem; margin: 0 }
#head p, #head details { margin: 4px 0 0 }
.notice, .problem { border-left: 4px solid var(--wrong); padding: 4px 10px;
  overflow-wrap: anywhere }
.notice { border-color: var(--right) }
#steps { gap: 8px }
.query { display: flex; gap: 16px; align-items: center; min-height: 128px }
.query h2 { font-size: 1.1rem; margin: 0 0 4px; overflow-wrap: anywhere }
.query p { margin: 2px 0 }
.query .item, .legend, caption, figcaption { color: var(--body-text-color-subdued);
  font-size: .85rem; overflow-wrap: anywhere }
.query img { width: 120px; height: 120px }
#card img, #grid img { display: block; object-fit: contain; border-radius: 4px;
  background: var(--background-fill-secondary); max-width: none }
img.crisp { image-rendering: pixelated }
ol.hits { list-style: none !important; margin: 8px 0 !important; padding: 0 !important;
  display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(116px, 1fr)) }
ol.hits li { margin: 0; min-width: 0; display: flex }
.hit { width: 100%; min-width: 0; display: flex; flex-direction: column; gap: 3px; padding: 6px;
  border-radius: 8px; background: var(--background-fill-primary); color: var(--body-text-color);
  font-size: .8rem; line-height: 1.25; text-align: left; cursor: pointer }
.hit.right { border: 3px solid var(--right) }
.hit.wrong { border: 3px dashed var(--wrong) }
.hit:hover { background: var(--background-fill-secondary) }
.hit:focus-visible { outline: 3px solid var(--body-text-color); outline-offset: 2px }
.hit img { width: 100%; height: auto; aspect-ratio: 1 }
.top { display: flex; justify-content: space-between; align-items: center; font-weight: 600 }
.mark { display: inline-block; min-width: 1.5em; border-radius: 1em; text-align: center;
  color: var(--on-mark); font-weight: 700; line-height: 1.5 }
.mark.right { background: var(--right) }
.mark.wrong { background: var(--wrong) }
.hit .name { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.similarity { font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued) }
.wide { overflow-x: auto }
.wide table { border-collapse: collapse; margin: 12px 0; width: 100%;
  font-variant-numeric: tabular-nums }
.wide caption { text-align: left; padding: 0 0 6px }
.wide th, .wide td { padding: 5px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--border-color-primary) }
.wide th:first-child { text-align: left }
.wide svg { width: 100%; min-width: 720px; height: auto; color: var(--body-text-color) }
figure.curves { margin: 8px 0 }
@media (max-width: 640px) {
  .gradio-container { padding: 8px !important }
  ol.hits { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 6px }
  .query { gap: 10px; align-items: flex-start }
  .query img { width: 92px; height: 92px }
  #choice, #steps { display: grid !important; gap: 6px; grid-template-columns: 1fr 1fr }
  #choice > *, #steps > * { min-width: 0 !important }
  #k { grid-column: 1 / -1 }
}
"""

# A press on a neighbour becomes the event "pick"; the browser's back and forward become "nav".
ON_LOAD = """
element.addEventListener('click', (event) => {
  const hit = event.target.closest('.hit');
  if (hit) trigger('pick', {id: Number(hit.dataset.id)});
});
window.addEventListener('popstate', () => trigger('nav', {address: location.search}));
"""

PUSH = "(address) => { if (address !== location.search) history.pushState(null, '', address); }"
REPLACE = "(address) => { history.replaceState(null, '', address); }"
# The picked picture stands above the grid: bring it into view where the screen is small.
REVEAL = "() => document.querySelector('#card')?.scrollIntoView({block: 'nearest'})"

# Gradio's list of choices opens again after Tab has left it, covers the page and cannot be closed.
HEAD = """<script>
document.addEventListener('keydown', (event) => {
  if (event.key === 'Tab' && event.target.getAttribute('role') === 'combobox')
    event.stopPropagation();
}, true);
</script>"""
