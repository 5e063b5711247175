// JSON as text: what is not changed in a file is written back as it was found, digit by digit.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const decode = (bytes) => UTF8.decode(bytes);

/** The value. Its error tells where the text is none, and nothing of what stands there. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError(`it is no JSON${place(text)}`);
  }
}

const TOKENS =
  /[ \t\r\n]*(?:[[\]{},:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/** The line and the column of what is no token of JSON; of tokens in a wrong order it is not told. */
function place(text) {
  let end = 0;
  for (TOKENS.lastIndex = 0; TOKENS.test(text); ) end = TOKENS.lastIndex;
  const at = skip(text, end);
  if (at === text.length && at > 0) return '';
  const before = text.slice(0, at).split('\n');
  return `: line ${before.length} column ${before.at(-1).length + 1}`;
}

/** The elements of a list, each as its text. Throws where the text is no list. */
export function elements(text) {
  if (!Array.isArray(parse(text))) throw new SyntaxError('it is no JSON list');
  return parts(text).map(([, value]) => value);
}

/** The members of an object, each value as its text; where a name repeats, the last one counts. */
export function members(text) {
  const value = parse(text);
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
