// What the templates need that were translated to JavaScript; texts are escaped unless they are raw.
const templates = {};

class Raw {
  constructor(text) { this.text = text; }
}
const raw = (text) => new Raw(text);
const ENTITIES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;'};
const escaped = (value) => {
  if (value === undefined) throw new Error('a template lacks a value');
  return value instanceof Raw ? value.text : String(value).replace(/[&<>"']/g, (c) => ENTITIES[c]);
};
const joined = (...values) => values.map(String).join('');
const has = (container, value) =>
  (Array.isArray(container) ? container.includes(value) : value in container);
const truth = (value) => {
  if (value === undefined) throw new Error('a template lacks a value');
  return value && typeof value === 'object' && !(value instanceof Raw)
    ? Object.keys(value).length > 0 : Boolean(value);
};
const each = (values, body) => values.map((value, n) =>
  body(value, {first: n === 0, last: n === values.length - 1}).text).join('');
const attribute = (value, path) => String(path).split('.').reduce((found, key) => found[key], value);
const passes = (value, test, wanted) =>
  (test === undefined ? truth(value) : test === 'in' ? has(wanted, value) : value === wanted);

// As Python rounds: `toFixed` takes the larger of two numbers that are equally near, Python the even.
const fixed = (value, digits) => {
  const exact = value.toFixed(100), end = exact.indexOf('.') + 1 + Number(digits);
  const isTie = /^50*$/.test(exact.slice(end)), kept = exact.slice(0, digits > 0 ? end : end - 1);
  return isTie && kept.at(-1) % 2 === 0 ? kept : value.toFixed(digits);
};

const filters = {
  // `%d`, `%s` and `%.3f`.
  format: (text, ...values) => text.replace(/%(?:\.(\d))?([dsf%])/g, (_, digits, kind) =>
    (kind === '%' ? '%' : kind === 'f' ? fixed(values.shift(), digits) : values.shift())),
  int: Number,
  length: (values) => values.length,
  list: (values) => values,
  map: (values, {attribute: path}) => values.map((value) => attribute(value, path)),
  max: (values) => Math.max(...values),
  rejectattr: (values, path, ...test) =>
    values.filter((value) => !passes(attribute(value, path), ...test)),
  replace: (text, from, to) => text.replaceAll(from, to),
  safe: (value) => (value instanceof Raw ? value : raw(value)),
  select: (values, ...test) => values.filter((value) => passes(value, ...test)),
  selectattr: (values, path, ...test) =>
    values.filter((value) => passes(attribute(value, path), ...test)),
  short: (name) => {
    const all = [...name], ends = [all.slice(0, 20).join('').trimEnd(), all.slice(-27).join('').trimStart()];
    return raw(escaped(all.length <= 48 ? name : ends.join('…')).replace(/[/_]/g, '$&<wbr>'));
  },
  sum: (values, {attribute: path}) =>
    values.reduce((total, value) => total + attribute(value, path), 0),
};
