// Granted directories, connections, and exchanges: one connection, one request, and what comes back.

import { closeSync, constants as o, fstatSync, openSync, realpathSync, statSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  ToolError,
  descriptorsExhausted,
  escape,
  failed,
  isOutOfDescriptors,
  limit,
  showTime,
} from './errors.mjs';
import { openDirectory, within } from './state_file.mjs';

/** Linux's flag for a descriptor that stands for a place and can do nothing else; Node has no name for it. */
const O_PATH = 0o10000000;
const MAX_READ = 256 << 10;

/** A check failed; in words that follow "its socket". */
export class Refused extends Error {}
/** Nothing takes connections there. */
export class Unreachable extends Error {}
/** Something does, but has no room at the moment. */
export class BacklogFull extends Error {}

/** Where sockets may lie. A path is only a hint: what comes of it is a descriptor, and used from then on. */
export class Directories {
  #granted;

  constructor(paths) {
    this.#granted = paths.map((path) => {
      const directory = openDirectory(path);
      return {
        prefixes: [names(resolve(path)), names(realpathSync(path))],
        directory,
        identity: identity(fstatSync(directory)),
      };
    });
  }

  /** A descriptor of the regular file beside the socket at `path`, for reading. */
  openBeside(path, name) {
    const flags = o.O_RDONLY | o.O_NONBLOCK | o.O_NOCTTY;
    return this.#open([...names(path).slice(0, -1), name], flags, (stat) => stat.isFile(), 'a regular file');
  }

  /**
   * A descriptor of the directory that holds the socket, which stands for it and can read nothing. A socket right in
   * a granted directory has no directory of its own.
   */
  openDirectoryOf(path) {
    return this.#open(names(path).slice(0, -1), O_PATH, (stat) => stat.isDirectory(), 'a directory');
  }

  /** A connection, without waiting: a Unix socket takes one at once, or has no room. */
  async connect(path) {
    const target = this.#open(names(path), O_PATH, (stat) => stat.isSocket(), 'a socket');
    try {
      // Through the descriptor, so that no rename in between can lead anywhere else.
      return await connected(connect({ path: `/proc/self/fd/${target}`, allowHalfOpen: true }));
    } catch (error) {
      if (error.code === 'EAGAIN') throw new BacklogFull();
      if (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') throw new Unreachable(error.code);
      if (isOutOfDescriptors(error)) throw descriptorsExhausted();
      throw new Refused(`cannot be connected to: ${error.message}`);
    } finally {
      closeSync(target);
    }
  }

  /** The same, with patience for a full backlog. */
  async connectUntil(path, deadline) {
    for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
      try {
        return await this.connect(path);
      } catch (error) {
        const left = deadline - performance.now();
        if (!(error instanceof BacklogFull) || left <= 0) throw error;
        await sleep(Math.min(pause, left));
      }
    }
  }

  #open(path, flags, isKind, kind) {
    const fd = this.#resolve(path, flags);
    const stat = fstatSync(fd);
    let why;
    if (stat.isSymbolicLink()) why = 'is a symbolic link';
    else if (!isKind(stat)) why = `is not ${kind}`;
    else if (stat.uid !== process.geteuid())
      why = `belongs to user ${stat.uid}, not to user ${process.geteuid()}`;
    else return fd;
    closeSync(fd);
    throw new Refused(why);
  }

  #beneath(path) {
    const beginsWith = (prefix) => prefix.every((name, i) => path[i] === name);
    const granted = this.#granted.find(({ prefixes }) => prefixes.some(beginsWith));
    return granted && [granted.directory, path.slice(granted.prefixes.find(beginsWith).length)];
  }

  /** The outermost ancestor that is a granted directory, by device and inode. */
  #underAnotherName(path) {
    for (let length = 1; path[0] === '/' && length < path.length; length += 1) {
      const above = identityAt(path.slice(0, length).join('/'));
      if (above === undefined) return undefined;
      const granted = this.#granted.find(({ identity }) => identity === above);
      if (granted) return [granted.directory, path.slice(length)];
    }
    return undefined;
  }

  /** Walks down from the granted directory, each name opened from the handle of the one before. */
  #resolve(path, flags) {
    const found = this.#beneath(path) ?? this.#underAnotherName(path);
    if (!found) throw new Refused('lies outside the granted directories (grant one with --allow-sockets)');
    const [directory, rest] = found;
    if (rest.length === 0 || rest.includes('..')) {
      throw new Refused('has a path that is not plain names beneath a granted directory');
    }
    const opened = [];
    try {
      let at = directory;
      for (const name of rest.slice(0, -1)) {
        at = openSync(within(at, name), O_PATH | o.O_NOFOLLOW);
        opened.push(at);
        if (fstatSync(at).isSymbolicLink()) throw new Refused('lies behind a symbolic link');
      }
      return openSync(within(at, rest.at(-1)), flags | o.O_NOFOLLOW);
    } catch (error) {
      if (error instanceof Refused) throw error;
      // A pod removes its directory when it ends.
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw new Unreachable('ENOENT');
      if (isOutOfDescriptors(error)) throw descriptorsExhausted();
      if (error.code === 'ERR_INVALID_ARG_VALUE')
        throw new Refused('cannot be opened: its path holds a NUL byte');
      throw new Refused(
        error.code === 'ELOOP' ? 'lies behind a symbolic link' : `cannot be opened: ${error.message}`,
      );
    } finally {
      opened.forEach((fd) => closeSync(fd));
    }
  }
}

/** The names of an absolute path; those of another one begin with no granted directory's. */
function names(path) {
  if (path.startsWith('\0')) throw new Refused('is in the abstract namespace, which no directory can grant');
  return [path.startsWith('/') ? '/' : '', ...path.split('/').filter((name) => name !== '' && name !== '.')];
}

const identity = (stat) => `${stat.dev}:${stat.ino}`;

function identityAt(path) {
  try {
    return identity(statSync(path));
  } catch {
    return undefined;
  }
}

/** Whether both paths lead to the same place; of what is not there, its nearest ancestor that is counts. */
export const samePlace = (one, other) => one === other || place(one) === place(other);

function place(path) {
  const missing = [];
  let at = path.replace(/\/+$/, '');
  while (at !== '') {
    const found = identityAt(at);
    if (found !== undefined) return [found, ...missing].join('/');
    const end = at.lastIndexOf('/');
    missing.unshift(at.slice(end + 1));
    at = at.slice(0, Math.max(end, 0)).replace(/\/+$/, '');
  }
  return path;
}

function connected(socket) {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

export function refused(record, why) {
  const message = `pod \`${escape(record.name)}\`: its socket ${escape(record.socket)} ${why.message}`;
  return new ToolError('denied', 'socket-refused', message);
}

export const timedOut = (operation, ms) =>
  failed('socket-timeout', `${operation} timed out after ${showTime(ms)} (allow more with --op-timeout)`);

/** An open exchange. The request is written while the plugin reads, from its first read on. */
/** The positions of those that can be read from; none when the time is up. */
export async function anyReadable(exchanges, until) {
  const readable = () => exchanges.flatMap((exchange, at) => (exchange.isReadable() ? [at] : []));
  for (let ready; ; ) {
    ready = readable();
    const left = until - performance.now();
    if (ready.length || left <= 0) return ready;
    await new Promise((wake) => {
      const timer = setTimeout(wake, left + 1);
      const woken = () => {
        clearTimeout(timer);
        wake();
      };
      for (const exchange of exchanges) exchange.listen(woken);
    });
  }
}

export class Exchange {
  #socket;
  #unsent;
  #maxLine;
  #arrived = [];
  #size = 0;
  #end = null;
  #line = 0;
  #broken = null;
  #wake = () => {};
  #retry = null;

  constructor(socket, request, deadline, maxLine) {
    this.#socket = socket;
    this.#unsent = request;
    this.deadline = deadline;
    this.#maxLine = maxLine;
    socket.on('data', (piece) => {
      this.#arrived.push(piece);
      this.#size += piece.length;
      if (this.#size >= MAX_READ) socket.pause();
      this.#wake();
    });
    socket.on('end', () => this.#ended('end'));
    socket.on('error', (error) => this.#ended(error));
  }

  close() {
    this.#unsent = Buffer.alloc(0);
    this.#socket.destroy();
    this.#wake();
  }

  /** What has arrived, as soon as there is anything; empty at the end. */
  async read(max, until, ms) {
    if (this.#broken) throw this.#broken;
    this.#send();
    const piece = await this.#next(Math.min(Math.max(max, 1), MAX_READ), until);
    if (piece === null) throw timedOut(this.#unsent.length ? 'write' : 'read', ms);
    this.#countLines(piece);
    return piece;
  }

  /** Whether `read` would answer at once. */
  isReadable() {
    return this.#broken !== null || this.#end !== null || this.#arrived.length > 0;
  }

  /** Writes what can be written at once, and calls `wake` when something has come. */
  listen(wake) {
    this.#send();
    this.#wake = wake;
  }

  async #next(max, until) {
    while (this.#arrived.length === 0) {
      if (this.#end === 'end') return Buffer.alloc(0);
      if (this.#end) {
        this.#broken = failed('closed', `read: ${this.#end.message}`);
        throw this.#broken;
      }
      const left = until - performance.now();
      if (left <= 0) return null;
      await new Promise((wake) => {
        const timer = setTimeout(wake, left + 1);
        this.#wake = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
    const [first] = this.#arrived;
    const piece = first.subarray(0, max);
    if (piece.length === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(max);
    this.#size -= piece.length;
    if (this.#size < MAX_READ) this.#socket.resume();
    return piece;
  }

  #ended(how) {
    this.#end ??= how;
    this.#wake();
  }

  /**
   * Writes to the descriptor, past the socket: where the pod has stopped listening the socket would be destroyed,
   * and what the pod said before that be lost. There is no event for room in a full buffer, so that is polled.
   */
  #send() {
    while (this.#unsent.length && !this.#socket.destroyed) {
      try {
        this.#unsent = this.#unsent.subarray(writeSync(this.#socket._handle.fd, this.#unsent));
      } catch (error) {
        if (error.code === 'EAGAIN') {
          clearTimeout(this.#retry);
          this.#retry = setTimeout(() => this.#send(), 1);
          return;
        }
        this.#unsent = Buffer.alloc(0);
      }
    }
  }

  #countLines(piece) {
    let longest = 0;
    let start = 0;
    for (let end; (end = piece.indexOf(10, start)) >= 0; start = end + 1) {
      longest = Math.max(longest, this.#line + end - start);
      this.#line = 0;
    }
    this.#line += piece.length - start;
    if (Math.max(longest, this.#line) > this.#maxLine) {
      this.#broken = limit(
        `the pod sent a line of more than ${this.#maxLine} bytes (raise it with --max-line)`,
      );
      throw this.#broken;
    }
  }
}
