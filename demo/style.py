"""Appearance and behaviour of the page that Gradio does not bring: CSS and JavaScript."""

# Frames differ in colour, line style and sign, so none of the three is needed alone. Colours are
# Okabe and Ito's green and vermilion, darkened or lightened until they contrast 4.5:1 in each mode.
CSS = """
:root { --right: #00734f; --wrong: #b04a00; --on-mark: #ffffff }
.dark { --right: #3ecf9f; --wrong: #ff9a57; --on-mark: #10131a }
.gradio-container { --quiet: color-mix(in srgb, var(--body-text-color) 72%, transparent) }
.gradio-container .app { max-width: 1400px !important; padding: 8px 12px !important }
.gradio-container main { padding: 0 !important }
.gradio-container main > .wrap > .column, .tabitem > .column { gap: 8px !important }
#head h1 { font-size: 1.3rem; margin: 0 }
#head p, #head details { margin: 4px 0 0 }
.notice, .problem { border-left: 4px solid var(--wrong); padding: 4px 10px;
  overflow-wrap: anywhere }
.notice { border-color: var(--right) }
#choice input { text-overflow: ellipsis; padding-right: 18px }
#steps { gap: 8px !important; align-items: center !important }
#steps .form { flex: 3 1 320px !important }
#steps button { flex: 1 1 90px !important; min-width: 90px !important }
.query { display: flex; gap: 16px; align-items: center; min-height: 128px }
.query h2 { font-size: 1.1rem; margin: 0 0 4px; overflow-wrap: anywhere }
.query p { margin: 2px 0 }
.query .item, .legend, .caption, figcaption { color: var(--quiet);
  font-size: .85rem; overflow-wrap: anywhere }
.query img { width: 120px; height: 120px }
#card img, #grid img { display: block; object-fit: contain; border-radius: 4px;
  background: var(--background-fill-secondary); max-width: none }
img.crisp { image-rendering: pixelated }
ol.hits { list-style: none; margin: 0 0 8px; padding: 0;
  display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(116px, 1fr)) }
ol.hits li { min-width: 0; display: flex }
#grid .hit { width: 100%; min-width: 0; display: flex; flex-direction: column; gap: 3px;
  padding: 6px; border-radius: 8px; color: var(--body-text-color);
  background: var(--background-fill-primary);
  font-size: .8rem; font-weight: 400; line-height: 1.25; text-align: left }
#grid button.hit { cursor: pointer }
#grid .hit.right { border: 3px solid var(--right) }
#grid .hit.wrong { border: 3px dashed var(--wrong) }
button.hit:hover { background: var(--background-fill-secondary) }
.hit:focus-visible { outline: 3px solid var(--body-text-color); outline-offset: 2px }
.hit img { width: 100%; height: auto; aspect-ratio: 1 }
.hit .top { display: flex; justify-content: space-between; align-items: center; font-weight: 600 }
.mark { display: inline-block; min-width: 1.5em; border-radius: 1em; text-align: center;
  color: var(--on-mark); font-weight: 700; line-height: 1.5 }
.mark.right { background: var(--right) }
.mark.wrong { background: var(--wrong) }
.hit .name { font-weight: 600; overflow: hidden; overflow-wrap: anywhere; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 2 }
.similarity { font-variant-numeric: tabular-nums; color: var(--quiet) }
.wide { overflow-x: auto }
.wide:focus-visible { outline: 2px solid var(--body-text-color) }
.caption { margin: 12px 0 4px }
.wide table { border-collapse: collapse; margin-bottom: 16px; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums }
.wide th, .wide td { padding: 6px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--border-color-primary) }
.wide th:first-child { text-align: left }
.wide th[scope="row"] { font-weight: 400 }
.wide a { color: var(--link-text-color); text-decoration: underline }
b, .wide thead th, #head h1, .query h2 { font-weight: 700 }
.wide svg { width: 100%; min-width: 720px; height: auto; color: var(--body-text-color) }
figure.curves { margin: 8px 0 }
@media (max-width: 640px) {
  .gradio-container .app { padding: 4px !important }
  .gradio-container .html-container { padding: 4px !important }
  ol.hits { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 6px }
  .query { gap: 10px; align-items: flex-start }
  .query img { width: 92px; height: 92px }
  #steps { display: grid !important; gap: 6px; grid-template-columns: repeat(4, minmax(0, 1fr));
    align-items: stretch }
  #steps .form { grid-column: 1 / -1; flex-wrap: nowrap !important }
  #steps button { min-width: 0 !important; padding: 6px 2px; font-size: .78rem }
}
"""

# A press on a neighbour becomes the event "pick"; the browser's back and forward become "nav".
ON_LOAD = """
element.addEventListener('click', (event) => {
  const hit = event.target.closest('button.hit');
  if (hit) trigger('pick', {id: Number(hit.dataset.id)});
});
window.addEventListener('popstate', () => trigger('nav', {address: location.search}));
"""

PUSH = """(address) => {
  if (address && address !== location.search) history.pushState(null, '', address);
}"""
REPLACE = "(address) => { history.replaceState(null, '', address); }"
# The picked picture stands above the grid: bring it into view where the screen is small.
REVEAL = "() => document.querySelector('#card')?.scrollIntoView({block: 'nearest'})"

# Gradio's list of choices opens again after Tab has left it, covers the page and cannot be closed.
KEYS = """
document.addEventListener('keydown', (event) => {
  if (event.key === 'Tab' && event.target.getAttribute('role') === 'combobox')
    event.stopPropagation();
}, true);
"""

# In the head rather than as Gradio's `css`, which prefixes every rule and so changes which wins.
HEAD = f"<style>{CSS}</style><script>{KEYS}</script>"
