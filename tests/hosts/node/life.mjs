// Who lives: the one place that decides it, for an entry of the scope table and for a pod's directory.
//
// Three answers: it lives, it is gone, it cannot be known. What is not known to be gone keeps its name, its scope
// and its record. A pod of `pod-tools` says beside its process's number how to know (`holder`): by the lock that it
// and all that it has started hold, by the boot, by the pid namespace and the start of its process. Of a pod of
// another make there is a number: it lives where a process of that number runs, where its directory is locked, and
// where its socket takes connections.

import { closeSync, constants as o, fstatSync, readFileSync, readSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';

import { descriptorsExhausted, escape, isOutOfDescriptors } from './errors.mjs';
import * as json from './json_text.mjs';
import { bootId, holderOfLock, nameOf, ownNamespace, runs, startTicks } from './process.mjs';
import { BacklogFull, Refused, Unreachable } from './sockets.mjs';
import { Fault, flockAtOnce, openDirectory, openRegular, within } from './state_file.mjs';

const MAX_FILE = 64 << 10;
/** No other machine shares ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, ZFS, bcachefs. */
const LOCAL = [
  0xef53n,
  0x58465342n,
  0x9123683en,
  0x01021994n,
  0x858458f6n,
  0x794c7630n,
  0xf2f52010n,
  0x2fc12fc1n,
  0xca451a4en,
];

/** The answers; and what a pod is known to live by, or why nobody can tell, in words that speak of "it". */
export const GONE = { answer: 'gone' };
const lives = (why) => ({ answer: 'lives', why });
const unknown = (why) => ({ answer: 'unknown', why });

const HOLDS_DIRECTORY = 'another process holds its directory';
const OTHER_VERSION =
  'it was started by another version of pod-tools, which has its own way to tell whether it lives';

/** What stands for a holder that this host does not know. */
const OTHER = Symbol('a holder of another shape');

/**
 * What a process says of itself beside its number, from its text: null where it says nothing, OTHER where it says it
 * in a way that this host does not know. Numbers are big ones, since not all of them are in JavaScript's range.
 */
export function readHolder(text) {
  if (text === undefined || text === 'null') return null;
  try {
    const members = json.members(text);
    const lock = optional(members, 'lock', (text) => {
      const members = json.members(text);
      return {
        device: natural(members.get('device')),
        inode: natural(members.get('inode')),
        byte: natural(members.get('byte')),
      };
    });
    return {
      pid: integer(members.get('pid'), -(1n << 63n), 1n << 63n),
      bootId: optional(members, 'boot_id', string),
      pidNamespace: optional(members, 'pid_namespace', natural),
      timeNamespace: optional(members, 'time_namespace', natural),
      startTicks: optional(members, 'start_ticks', natural),
      lock,
    };
  } catch {
    return OTHER;
  }
}

const optional = (members, name, read) => {
  const text = members.get(name);
  return text === undefined || text === 'null' ? null : read(text);
};

const natural = (text) => integer(text, 0n, 1n << 64n);

function integer(text, least, beyond) {
  const number = /^-?\d+$/.test(text ?? '') ? BigInt(text) : null;
  if (number === null || number < least || number >= beyond) throw new RangeError('it is no such number');
  return number;
}

function string(text) {
  const value = JSON.parse(text);
  if (typeof value !== 'string') throw new TypeError('it is no text');
  return value;
}

/** What is there and would tell cannot be asked; in words that speak of "it". */
class Unasked extends Error {}

const unknownIfUnasked = (error) => {
  if (error instanceof Unasked) return unknown(error.message);
  throw error;
};

/**
 * Decides who lives, by what is beside the table at `path`, which is one without links. For want of file descriptors
 * nobody is taken for gone: that is an error of its own.
 */
export class LifeCheck {
  #path;
  #directories;

  constructor(path, directories) {
    this.#path = path;
    this.#directories = directories;
  }

  /** Whether the pod of an entry lives. */
  async of({ holder, pid, socket }) {
    // Where the numbers differ, somebody has put another process in its place and kept what he did not know.
    if (holder !== null && holder !== OTHER && holder.pid === pid) return this.#ofHolder(holder);
    const life = await this.#ofNumber(pid, socket).catch(unknownIfUnasked);
    return holder === OTHER && life === GONE ? unknown(OTHER_VERSION) : life;
  }

  /** Whether the pod with that socket lives, by its directory. A pod without one is gone. */
  ofSocket(socket) {
    return this.#ofDirectory(socket).catch(unknownIfUnasked);
  }

  async #ofDirectory(socket) {
    const directory = this.#openDirectoryOf(socket);
    if (directory === null) return GONE;
    try {
      if (await isLocked(directory)) return lives(HOLDS_DIRECTORY);
      const [holder, pid] = [notedHolder(directory), notedPid(directory)];
      if (holder !== null && holder !== OTHER) return this.#ofHolder(holder);
      if (pid !== null && runs(pid)) return lives(runsIt(pid));
      return holder === null ? GONE : unknown(OTHER_VERSION);
    } finally {
      closeSync(directory);
    }
  }

  #ofHolder(holder) {
    const lock = holder.lock === null ? 'lost' : this.#lockState(holder.lock);
    if (lock === 'held') return lives(nameHolder(holder));
    const boot = bootId();
    if (holder.bootId !== null && boot !== null && holder.bootId !== boot) {
      // Nothing outlives a boot.
      if (this.#isLocal()) return GONE;
      return unknown('it was started by another machine, or before this one was started last');
    }
    if (lock === 'free') return GONE;
    if (!isOfOwnNamespace(holder)) {
      const started = `it was started in another pid namespace, as process ${holder.pid} there`;
      return unknown(`${started}, and the lock by which it could be told is not found`);
    }
    if (isHere(holder)) return lives(runsIt(holder.pid));
    if (lock === 'unasked')
      return unknown('what it has started may live on, and nobody here can ask for its lock');
    return GONE;
  }

  async #ofNumber(pid, socket) {
    if (runs(Number(pid))) return lives(runsIt(pid));
    try {
      if (await this.#isDirectoryLocked(socket)) return lives(HOLDS_DIRECTORY);
      (await this.#directories.connect(socket)).destroy();
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused) return GONE;
      if (!(error instanceof BacklogFull)) throw error;
    }
    return lives('its socket takes connections');
  }

  async #isDirectoryLocked(socket) {
    const directory = this.#openDirectoryOf(socket);
    if (directory === null) return false;
    try {
      return await isLocked(directory);
    } finally {
      closeSync(directory);
    }
  }

  /**
   * What is known of a lock on one byte of the file beside the table: held, free, lost where the file is not there
   * any more, unasked where nobody can say.
   *
   * Node cannot ask for such a lock, but the kernel lists all of them, those of other pid namespaces too. Of a lock
   * that is another machine's there is nothing in the list; by then another boot has told.
   */
  #lockState({ device, inode, byte }) {
    let directory;
    let fd;
    try {
      directory = openDirectory(dirname(this.#path));
      fd = openRegular(directory, `${basename(this.#path)}.lives`, o.O_RDONLY);
      const stat = fstatSync(fd, { bigint: true });
      if (stat.dev !== device || stat.ino !== inode) return 'lost';
      return isListed(byte) ? 'held' : 'free';
    } catch (error) {
      if (isOutOfDescriptors(error)) throw descriptorsExhausted();
      return error.code === 'ENOENT' && directory !== undefined && fd === undefined ? 'lost' : 'unasked';
    } finally {
      if (fd !== undefined) closeSync(fd);
      if (directory !== undefined) closeSync(directory);
    }
  }

  /** Whether the table is on a file system that no other machine shares, as far as the kernel tells. */
  #isLocal() {
    try {
      return LOCAL.includes(statfsSync(dirname(this.#path), { bigint: true }).type & 0xffffffffn);
    } catch {
      return false;
    }
  }

  /** The pod's directory, opened; null where there is none beneath a granted one. */
  #openDirectoryOf(socket) {
    let path;
    try {
      path = this.#directories.openDirectoryOf(socket);
      return openDirectory(within(path, '.'));
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused || error.code === 'ENOENT') return null;
      if (isOutOfDescriptors(error)) throw descriptorsExhausted();
      throw path === undefined ? error : new Unasked(`its directory cannot be opened (${error.message})`);
    } finally {
      if (path !== undefined) closeSync(path);
    }
  }
}

/**
 * Whether the kernel's list has a lock of that byte. The devices of some file systems have another number there; the
 * byte is one of 2^62. A long list comes in pieces, and where a lock goes meanwhile another may be passed over: a
 * list is believed to lack one when the next is the same.
 */
function isListed(byte) {
  // What the pod has started locks the byte behind its own.
  const isIt = new RegExp(` (?:${byte} ${byte}|${byte + 1n} ${byte + 1n})$`, 'm');
  for (let before = null, tries = 0; tries < 16; tries += 1) {
    const locks = readFileSync('/proc/locks', 'utf8');
    if (isIt.test(locks)) return true;
    if (locks === before) return false;
    before = locks;
  }
  throw new Error('the list of locks is never twice the same');
}

const isOfOwnNamespace = ({ pidNamespace }) => pidNamespace !== null && pidNamespace === ownNamespace('pid');

/** Whether its process runs, as far as its start tells. Where that does not tell, what has its number is it. */
function isHere(holder) {
  if (!isOfOwnNamespace(holder) || !runs(Number(holder.pid))) return false;
  if (holder.timeNamespace !== ownNamespace('time')) return true;
  const started = startTicks(holder.pid);
  return started === null || holder.startTicks === null || started === holder.startTicks;
}

/** What lives on of a pod whose lock is held. */
function nameHolder(holder) {
  if (isHere(holder)) return runsIt(holder.pid);
  const child = holderOfLock(holder.lock.byte);
  return child === null
    ? `a process of another pid namespace runs it, ${holder.pid} there`
    : `${named(child)}, which is it or was started by it, holds its lock`;
}

const runsIt = (pid) => `${named(pid)} runs it`;

function named(pid) {
  const name = nameOf(pid);
  return name === null ? `process ${pid}` : `process ${pid} (\`${escape(name)}\`)`;
}

/** Whether a process holds the directory. The lock for this question is shared, and gone with the descriptor. */
async function isLocked(directory) {
  try {
    return !(await flockAtOnce(directory));
  } catch (error) {
    throw new Unasked(`its directory's lock cannot be asked for: ${error.message}`);
  }
}

/** What `status.json` says. A pod of another make that takes the directory over writes its own. */
function notedHolder(directory) {
  const text = readShort(directory, 'status.json');
  try {
    return readHolder(json.members(text).get('holder'));
  } catch {
    return null;
  }
}

function notedPid(directory) {
  const text = readShort(directory, 'pid').trim();
  return /^\+?\d+$/.test(text) ? Number(text) : null;
}

/** A short file whole; empty where there is none that a pod could have written. */
function readShort(directory, name) {
  let fd;
  try {
    fd = openRegular(directory, name, o.O_RDONLY);
    const text = Buffer.alloc(MAX_FILE + 1);
    const size = readSync(fd, text);
    return size > MAX_FILE ? '' : json.decode(text.subarray(0, size));
  } catch (error) {
    if (isOutOfDescriptors(error)) throw descriptorsExhausted();
    // It is no file, or no text.
    if (error.code === 'ENOENT' || error instanceof Fault || error instanceof TypeError) return '';
    throw new Unasked(`its \`${name}\` cannot be read (${error.message})`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
