// The registry in a spawner's runtime directory: `spawned_pods.json`, and `read_cursors.json` beside it.
//
// Both are read without a lock and replaced whole, under the `flock` on `spawned_pods.lock`: a new file takes the
// old one's name, so that a reader finds one of the two. What is not understood is kept as it stands.

import {
  closeSync,
  constants as o,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

import { ToolError, escape, failed, isOutOfDescriptors } from './errors.mjs';
import * as json from './json_text.mjs';
import { flockUntil, isSameFile, openDirectory, openOwn, readAll, within } from './state_file.mjs';

const PODS = 'spawned_pods.json';
const CURSORS = 'read_cursors.json';
const LOCK = 'spawned_pods.lock';
const NEW = '.spawned_pods.new';
const VERSION = 1;

/** A file holds something else than it should. */
class Damaged extends ToolError {}

export const isText = (value) => typeof value === 'string' && value.isWellFormed();

/** Whether a value is a list of scope rules. */
export const areRules = (value) =>
  Array.isArray(value) &&
  value.every(
    (rule) =>
      isText(rule?.target) &&
      ['read', 'write'].includes(rule.permission) &&
      typeof rule.recursive === 'boolean',
  );

/** What a pod says of its fence, as the contract has it; nothing where it is not understood. */
function readFence(value) {
  const { enforce, missing = [] } = value ?? {};
  const isFence =
    ['strict', 'best-effort', 'off'].includes(enforce) && Array.isArray(missing) && missing.every(isText);
  if (!isFence) return undefined;
  return { held: enforce === 'off' ? 'off' : missing.length > 0 ? 'part' : 'whole', missing };
}

/** What stands in one element: a record, or none that can be read; and its name, where it has one all the same. */
function readRecord(text) {
  const value = json.parse(text);
  const name = isText(value?.pod_name) ? value.pod_name : null;
  const whole = name !== null && isText(value.socket_path) && areRules(value.scope_delegated);
  if (!whole) return { name, record: null };
  const { socket_path: socket, scope_delegated: scope, fence } = value;
  return { name, record: { name, socket, scope, fence: readFence(fence) } };
}

/** The records in a list, in their order, and for each that cannot be read its name or null. */
export function recordsOf(text) {
  const found = json.elements(text).map(readRecord);
  return {
    records: found.flatMap(({ record }) => record ?? []),
    unreadable: found.filter(({ record }) => !record).map(({ name }) => name),
  };
}

export class Registry {
  #directory;
  #path;

  constructor(path) {
    this.#path = path;
    this.#directory = openDirectory(path);
  }

  /** All records, in their order, and for each that cannot be read its name or null. */
  load() {
    const found = this.#list().map(readRecord);
    return {
      records: found.flatMap(({ record }) => record ?? []),
      unreadable: found.filter(({ record }) => !record).map(({ name }) => name),
    };
  }

  /** Removes every record of that name and socket, and the name's cursor. */
  async remove(record, ms) {
    await this.#locked(ms, () => {
      const texts = this.#list();
      const left = texts.filter((text) => {
        const other = readRecord(text).record;
        return other?.name !== record.name || other.socket !== record.socket;
      });
      // The cursor goes first: one without a record could make the next pod of that name lose text.
      try {
        const { top, pods } = this.#cursors();
        if (pods.delete(record.name)) this.#replace(CURSORS, renderCursors(top, pods));
      } catch (error) {
        if (!(error instanceof Damaged)) throw error;
      }
      if (left.length < texts.length) this.#replace(PODS, json.renderList(left));
    });
  }

  /** The stored cursor; null before the first read. */
  cursor(name) {
    return this.#cursor(this.#cursors().pods, name);
  }

  /**
   * Stores `next` if the stored one is still `base`, or is behind it.
   *
   * Where the cursor or the record went meanwhile, nothing is stored: the pod that takes the name next must not
   * inherit it. All of that may repeat text, and loses none.
   */
  async setCursor(name, base, next, ms) {
    const same = (a, b) => a?.items === b?.items && a?.digest === b?.digest;
    await this.#locked(ms, () => {
      const { top, pods } = this.#cursors();
      const stored = this.#cursor(pods, name);
      if (same(stored, next) || !(same(stored, base) || next.items > stored?.items)) return;
      const names = new Set(this.#list().map((text) => readRecord(text).name));
      if (!names.has(name)) return;
      for (const other of pods.keys()) if (!names.has(other)) pods.delete(other);
      const kept = json.members(pods.get(name) ?? '{}');
      kept.set('items', String(next.items)).set('digest', JSON.stringify(next.digest));
      pods.set(name, `{${[...kept].map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`);
      this.#replace(CURSORS, renderCursors(top, pods));
    });
  }

  #list() {
    return this.#read(PODS, json.elements) ?? [];
  }

  /** The members of the file, and those of its `pods`, as texts. */
  #cursors() {
    const read = (text) => {
      const top = json.members(text);
      const version = Number(top.get('version'));
      if (!Number.isInteger(version) || version < 0 || version > VERSION) {
        throw new Error(`its format is none that this version knows, which are up to ${VERSION}`);
      }
      return { top, pods: json.members(top.get('pods') ?? 'null') };
    };
    return this.#read(CURSORS, read) ?? { top: new Map([['version', String(VERSION)]]), pods: new Map() };
  }

  #cursor(pods, name) {
    if (!pods.has(name)) return null;
    try {
      const members = json.members(pods.get(name));
      const [items, digest] = [members.get('items'), JSON.parse(members.get('digest'))];
      // As a text, since a number that large is none in JavaScript.
      if (/^\d+$/.test(items) && BigInt(items) < 1n << 64n && isText(digest))
        return { items: BigInt(items), digest };
    } catch {
      // The same as one whose members are something else.
    }
    throw this.#damaged(CURSORS, `the cursor of pod \`${escape(name)}\` cannot be read`);
  }

  /** The file as `parse` reads it; null where there is none. */
  #read(name, parse) {
    let fd;
    try {
      fd = openOwn(this.#directory, name, o.O_RDONLY);
      return parse(json.decode(readAll(fd)));
    } catch (error) {
      if (error.code === 'ENOENT') {
        // A spawner that ends takes its directory along.
        if (fstatSync(this.#directory).nlink > 0) return null;
        throw failed(
          'registry-damaged',
          `the runtime directory \`${this.#path}\` was removed since it was opened`,
        );
      }
      if (isOutOfDescriptors(error)) throw this.#noDescriptor(name);
      throw this.#damaged(name, error.message);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  #damaged(name, detail) {
    const remedy = {
      [PODS]: 'repair it, or delete it to forget all pods',
      [CURSORS]: "delete it, and every pod's output is given from its start again",
    }[name];
    const message = `the registry file \`${this.#path}/${name}\` is damaged: ${detail}; it was left as it is; ${remedy}`;
    return new Damaged('execution-failed', 'registry-damaged', message);
  }

  #noDescriptor(name) {
    return failed(
      'descriptors-exhausted',
      `there is no file descriptor left to open \`${this.#path}/${name}\` with`,
    );
  }

  /** Puts a new content in the place of the file's. No `fsync`: pods do not outlive a power cut. */
  #replace(name, text) {
    const next = within(this.#directory, NEW);
    try {
      rmSync(next, { force: true });
      const fd = openSync(next, o.O_WRONLY | o.O_CREAT | o.O_EXCL, 0o600);
      try {
        writeFileSync(fd, text);
      } finally {
        closeSync(fd);
      }
      renameSync(next, within(this.#directory, name));
    } catch (error) {
      throw this.#unwritable(name, error);
    }
  }

  #unwritable(name, error) {
    const message = `the registry file \`${this.#path}/${name}\` could not be written: ${error.message}; nothing was changed`;
    return failed('state-unwritable', message);
  }

  /** Does `work` under the lock. Closing the file lets go of it. */
  async #locked(ms, work) {
    const deadline = performance.now() + ms;
    do {
      let fd;
      try {
        fd = openOwn(this.#directory, LOCK, o.O_RDWR | o.O_CREAT);
        if ((await flockUntil(fd, deadline)) && isSameFile(fd, lstatSync(within(this.#directory, LOCK))))
          return work();
      } catch (error) {
        if (isOutOfDescriptors(error)) throw this.#noDescriptor(LOCK);
        if (error instanceof ToolError) throw error;
        if (error.code !== 'ENOENT' || fd === undefined) throw this.#unwritable(LOCK, error);
      } finally {
        if (fd !== undefined) closeSync(fd);
      }
    } while (performance.now() < deadline);
    const message = `the registry lock \`${this.#path}/${LOCK}\` was held by another process for ${(ms / 1000).toFixed(1)} s`;
    throw failed('lock-busy', `${message}; nothing was changed, try again`);
  }
}

const renderCursors = (top, pods) => json.renderObject(new Map(top).set('pods', json.renderObject(pods, 1)));
