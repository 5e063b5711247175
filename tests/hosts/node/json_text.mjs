// JSON as text: what is not changed in a file is written back as it was found, digit by digit.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const decode = (bytes) => UTF8.decode(bytes);

/** The elements of a list, each as its text. Throws where the text is no list. */
export function elements(text) {
  if (!Array.isArray(JSON.parse(text))) throw new SyntaxError('it is no JSON list');
  return parts(text).map(([, value]) => value);
}

/** The members of an object, each value as its text; where a name repeats, the last one counts. */
export function members(text) {
  const value = JSON.parse(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new SyntaxError('it is no JSON object');
  return new Map(parts(text));
}

/** Pretty-printed, as it stands `depth` levels within something else. The texts are not touched. */
export const renderList = (texts, depth = 0) => render('[', texts, ']', depth);

export const renderObject = (members, depth = 0) =>
  render(
    '{',
    [...members].map(([name, text]) => `${JSON.stringify(name)}: ${text}`),
    '}',
    depth,
  );

function render(opening, lines, closing, depth) {
  const inner = `\n${'  '.repeat(depth + 1)}`;
  return lines.length
    ? `${opening}${inner}${lines.join(`,${inner}`)}\n${'  '.repeat(depth)}${closing}`
    : opening + closing;
}

/** Splits a list or an object that is known to be well formed: pairs of a name, in an object, and a text. */
function parts(text) {
  const found = [];
  let at = skip(text, 0);
  const isObject = text[at] === '{';
  at = skip(text, at + 1);
  while (text[at] !== ']' && text[at] !== '}') {
    let name;
    if (isObject) {
      const end = endOf(text, at);
      name = JSON.parse(text.slice(at, end));
      at = skip(text, skip(text, end) + 1);
    }
    const end = endOf(text, at);
    found.push([name, text.slice(at, end)]);
    at = skip(text, end);
    if (text[at] === ',') at = skip(text, at + 1);
  }
  return found;
}

function skip(text, at) {
  while (' \t\r\n'.includes(text[at]) && at < text.length) at += 1;
  return at;
}

/** Where the value that begins at `at` ends. */
function endOf(text, at) {
  let depth = 0;
  do {
    const c = text[at];
    if (c === '"') {
      at = endOfString(text, at);
    } else {
      if (c === '[' || c === '{') depth += 1;
      if (c === ']' || c === '}') depth -= 1;
      at += 1;
      // A number or a word ends where something else begins.
      if (depth === 0 && !']}'.includes(c))
        while (at < text.length && !' \t\r\n,]}'.includes(text[at])) at += 1;
    }
  } while (depth > 0);
  return at;
}

function endOfString(text, at) {
  for (;;) {
    at = text.indexOf('"', at + 1);
    let slashes = 0;
    while (text[at - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
}
