// The machine-wide scope table: changed in place under the `flock` that every process on the machine takes.
//
// It is never replaced: whoever waits for the lock holds the file itself. This host writes no journal, so a kill
// in the middle of the rewrite may tear the table (see profile.json); it does not touch a table whose journal the
// Rust host left behind.

import {
  closeSync,
  constants as o,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { ToolError, escape, failed, isOutOfDescriptors } from './errors.mjs';
import * as json from './json_text.mjs';
import { GONE, LifeCheck, readHolder } from './life.mjs';
import { areRules, isText } from './registry.mjs';
import { checkOwn, flockUntil, isSameFile, openDirectory, openOwn, readAll } from './state_file.mjs';

/** What one pod holds, as far as this host reads it, and the text that it stands in. */
function readAllocation(text) {
  const value = json.parse(text);
  const parent = value?.delegated_from ?? null;
  const whole =
    isText(value?.pod_name) &&
    isText(value.socket) &&
    areRules(value.scope_allow) &&
    (parent === null || isText(parent));
  // The pod that it says it is of.
  const called = isText(value?.pod_name) ? value.pod_name : null;
  // As texts, since not every integer is one in JavaScript.
  const members = whole ? json.members(text) : new Map();
  const pid = members.get('pid');
  // One that cannot be understood has no name, and stays as it is.
  if (!/^-?\d+$/.test(pid ?? '')) return { text, called, name: null };
  const holder = readHolder(members.get('holder'));
  return { text, called, name: called, pid: BigInt(pid), socket: value.socket, parent, holder };
}

export class ScopeLock {
  #directories;

  /** Entries are believed as far as the sockets beneath these directories and the processes tell. */
  constructor(path, directories) {
    this.path = path;
    this.#directories = directories;
  }

  /**
   * Removes the pod's allocation, if it has one. `mayRelease` is asked under the lock about the allocation, with a
   * LifeCheck, and prevents it by an error.
   */
  async release(name, ms, mayRelease) {
    await this.#locked(ms, async (fd) => {
      const { top, table } = this.#read(fd);
      const index = table.findIndex((entry) => entry.called === name);
      const held = table[index];
      if (held && held.name === null) {
        const which = `entry ${index + 1}, that of pod \`${escape(name)}\`, cannot be understood`;
        throw this.#damaged(`${which}; nothing was released; repair or remove it`);
      }
      await mayRelease(held, this.#check());
      if (held) this.#write(fd, top, without(table, [held]));
    });
  }

  /** Releases every allocation whose pod is gone; how many there were. */
  async reclaimStale(ms) {
    return this.#locked(ms, async (fd) => {
      const { top, table } = this.#read(fd);
      const check = this.#check();
      const stale = [];
      for (const entry of table) {
        if (entry.name !== null && (await check.of(entry)) === GONE) stale.push(entry);
      }
      if (stale.length) this.#write(fd, top, without(table, stale));
      return stale.length;
    });
  }

  /** Those allocations that can be understood. */
  async allocations(ms) {
    return this.#locked(ms, async (fd) => this.#read(fd).table.filter(({ name }) => name !== null));
  }

  #check() {
    return new LifeCheck(realpathSync(this.path), this.#directories);
  }

  #read(fd) {
    try {
      const journal = `${realpathSync(this.path)}.next`;
      const left = lstatSync(journal, { throwIfNoEntry: false });
      if (left !== undefined) {
        checkOwn(left, journal);
        throw new Error('a killed process left a change undone; any command of pod-tools finishes it');
      }
      const text = json.decode(readAll(fd));
      if (text.trim() === '') return { top: new Map(), table: [] };
      const top = json.members(text);
      if (!top.has('allocations')) throw new Error('it has no `allocations`');
      return { top, table: json.elements(top.get('allocations')).map(readAllocation) };
    } catch (error) {
      throw this.#damaged(error.message);
    }
  }

  /** Truncates, then writes with one call: whatever is torn is a prefix. */
  #write(fd, top, table) {
    const texts = json.renderList(
      table.map((entry) => entry.text),
      1,
    );
    const old = readAll(fd);
    try {
      overwrite(fd, Buffer.from(json.renderObject(new Map(top).set('allocations', texts))));
    } catch (error) {
      overwrite(fd, old);
      throw this.#unwritable(error);
    }
  }

  /** Does `work` under the lock. Closing the file lets go of it. */
  async #locked(ms, work) {
    const deadline = performance.now() + ms;
    do {
      const fd = this.#open();
      try {
        if ((await this.#flock(fd, deadline)) && this.#isCurrent(fd)) return await work(fd);
      } finally {
        closeSync(fd);
      }
    } while (performance.now() < deadline);
    const message = `the scope lock \`${this.path}\` was held by another process for ${(ms / 1000).toFixed(1)} s`;
    throw failed('lock-busy', `${message}; nothing was changed, try again`);
  }

  async #flock(fd, deadline) {
    try {
      return await flockUntil(fd, deadline);
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  #isCurrent(fd) {
    const there = statSync(this.path, { throwIfNoEntry: false });
    return there !== undefined && isSameFile(fd, there);
  }

  #open() {
    let directory;
    try {
      if (!existsSync(this.path)) {
        mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
        closeSync(openSync(this.path, o.O_RDWR | o.O_CREAT | o.O_NONBLOCK | o.O_NOCTTY, 0o600));
      }
    } catch (error) {
      throw isOutOfDescriptors(error) ? this.#noDescriptor() : this.#unwritable(error);
    }
    try {
      const real = realpathSync(this.path);
      directory = openDirectory(dirname(real));
      return openOwn(directory, real.slice(real.lastIndexOf('/') + 1), o.O_RDWR | o.O_CREAT);
    } catch (error) {
      throw isOutOfDescriptors(error) ? this.#noDescriptor() : this.#damaged(error.message);
    } finally {
      if (directory !== undefined) closeSync(directory);
    }
  }

  #noDescriptor() {
    const message = `there is no file descriptor left to open \`${this.path}\` with; raise the limit (ulimit -n)`;
    return failed('descriptors-exhausted', message);
  }

  #damaged(detail) {
    const message = `the scope lock \`${this.path}\` is damaged: ${detail}; it was left as it is`;
    return new ToolError('execution-failed', 'lock-damaged', message);
  }

  #unwritable(error) {
    const message = `the scope lock \`${this.path}\` could not be changed: ${error.message}; it is as it was, try again`;
    return failed('state-unwritable', message);
  }
}

function overwrite(fd, data) {
  ftruncateSync(fd, 0);
  if (writeSync(fd, data, 0, data.length, 0) < data.length) throw new Error('there is no room left');
  fdatasyncSync(fd);
}

/** The table without these; their children go to the next parent up the chain that is left. */
function without(table, gone) {
  const left = table.filter((entry) => !gone.includes(entry));
  const names = new Set(left.map((entry) => entry.name));
  const parents = new Map(
    gone.filter((entry) => !names.has(entry.name)).map((entry) => [entry.name, entry.parent]),
  );
  for (const entry of left) {
    const passed = new Set();
    let { parent } = entry;
    for (; parents.has(parent) && !passed.has(parent); parent = parents.get(parent)) passed.add(parent);
    if (passed.size === 0) continue;
    // A circle of those that are gone, or one that would close on the child itself, has no parent.
    const next = passed.has(parent) || parent === entry.name ? null : parent;
    const members = json.members(entry.text).set('delegated_from', JSON.stringify(next));
    entry.text = json.renderObject(members, 2);
  }
  return left;
}
