// Who may do what to which pod, for how long, and how much of it: grants, the gate, and the state of one call.

import { EndOfCall, ToolError, callTimeIsUp, escape, limit } from './errors.mjs';

export const VERBS = ['list', 'send', 'read', 'stop'];

/** The policy: what each request is called in a message, and the verbs of which one is needed. */
export const REQUESTS = {
  // Reading on in an exchange: it was admitted when it was opened.
  readOn: ['', []],
  list: ['listing pods', ['list']],
  listen: ['listening to it', ['read']],
  spawned: ['finding what it spawned', ['stop']],
  state: ['reading its state', ['read', 'send']],
  cursor: ['reading its output', ['read']],
  forget: ['forgetting it', ['stop']],
  probe: ['probing its socket', ['list']],
  awaitClosed: ['awaiting its end', ['stop']],
  release: ['releasing its scope', ['stop']],
  reclaim: ['reclaiming stale scope', ['list']],
  find: {
    list: ['finding it', ['list']],
    send: ['sending a message', ['send']],
    read: ['reading its output', ['read']],
    stop: ['stopping it', ['stop']],
  },
};

/** `VERB[,VERB…][:PATTERN]`: verbs, and a pattern over the names of the pods that they cover. */
export class Grant {
  constructor(text) {
    const colon = text.indexOf(':');
    const pattern = colon < 0 ? '*' : text.slice(colon + 1);
    if (pattern === '') throw new Error(`the grant \`${text}\` has an empty pattern`);
    this.verbs = (colon < 0 ? text : text.slice(0, colon)).split(',').map((verb) => verb.trim());
    for (const verb of this.verbs) {
      if (!VERBS.includes(verb))
        throw new Error(`\`${verb}\` is no verb of a grant; the verbs are ${VERBS.join(', ')}`);
    }
    this.pattern = [...pattern];
  }

  /** `name` is null where the request is for no particular pod. */
  covers(verb, name) {
    return this.verbs.includes(verb) && (name === null || matches(this.pattern, [...name]));
  }
}

/** `*` stands for any characters, `?` for one. A regular expression would take for ever with many stars. */
function matches(pattern, name) {
  let [at, eaten, star] = [0, 0, null];
  while (eaten < name.length) {
    if (pattern[at] === '*') {
      star = [++at, eaten];
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[eaten])) {
      at++;
      eaten++;
    } else if (star) {
      // What follows the last star does not match here: it eats one character more.
      star[1]++;
      [at, eaten] = star;
    } else {
      return false;
    }
  }
  return pattern.slice(at).every((c) => c === '*');
}

/** All that a plugin was given. What is not in here it cannot reach. */
export class Authority {
  constructor(parts) {
    Object.assign(this, parts);
  }

  allows(verb, name) {
    return this.grants.some((grant) => grant.covers(verb, name));
  }
}

/** One call: its authority, what it has used up, the handles that it gave out, what it staged and handed over. */
export class Call {
  #hostCalls = 0;
  #found = new Map();
  #staged = new Map();
  #untold = 0;

  constructor(authority) {
    this.authority = authority;
    this.limits = authority.limits;
    this.deadline = performance.now() + this.limits.callTimeout;
    this.handles = new Map();
    this.nextHandle = 1;
    this.exchanges = 0;
    this.content = '';
    this.contentBytes = 0;
  }

  /** The gate. Every request of the plugin passes here, and nowhere else is anything granted. */
  admit([words, verbs], name = null) {
    this.count();
    if (performance.now() >= this.deadline) throw callTimeIsUp(this.limits.callTimeout);
    if (verbs.length === 0 || verbs.some((verb) => this.authority.allows(verb, name))) return;
    const shown = name === null ? null : escape(name);
    const message =
      shown === null
        ? `${words} is not granted; it takes the grant \`${verbs[0]}\``
        : `pod \`${shown}\`: ${words} is not granted; it takes the grant \`${verbs[0]}:${shown}\``;
    throw new ToolError('denied', 'not-granted', message);
  }

  count() {
    this.#hostCalls += 1;
    const { hostCalls } = this.limits;
    if (this.#hostCalls > hostCalls) {
      throw new EndOfCall(
        limit(`the plugin made more than ${hostCalls} host calls (raise it with --host-calls)`),
      );
    }
  }

  /** How long an operation may wait, and until when: the plugin may ask for less, never for more. */
  wait(withinMs) {
    const ms = Math.min(withinMs ?? Infinity, this.limits.opTimeout);
    return { ms, until: Math.min(performance.now() + ms, this.deadline) };
  }

  /** Whole milliseconds that were waited since this was told last. */
  countWait(ms) {
    this.#untold += ms;
    const told = Math.floor(this.#untold);
    this.#untold -= told;
    return told;
  }

  /** As this call sees it: staged, or stored. */
  cursor(name) {
    return this.#staged.has(name) ? this.#staged.get(name) : this.#stored(name);
  }

  stageCursor(name, cursor) {
    this.#stored(name);
    this.#staged.set(name, cursor);
  }

  dropStaged(name) {
    this.#staged.delete(name);
  }

  /** Stores what was staged, now that the caller has the answer. */
  async delivered() {
    for (const [name, cursor] of this.#staged) {
      await this.authority.registry.setCursor(name, this.#found.get(name), cursor, this.limits.opTimeout);
    }
  }

  #stored(name) {
    if (!this.#found.has(name)) this.#found.set(name, this.authority.registry.cursor(name));
    return this.#found.get(name);
  }
}
