// How a file of state is opened, locked and read: never waiting without a bound, never what is no regular
// file, and never what others than its owner could have written.

import { spawn } from 'node:child_process';
import { closeSync, constants as o, fstatSync, openSync, readSync, readlinkSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { escape } from './errors.mjs';

const MAX_BYTES = 64 << 20;

/** Why a file could not be used, in words that follow its name. */
export class Fault extends Error {}

/** Opens a directory as a handle. */
export const openDirectory = (path) => openSync(path, o.O_RDONLY | o.O_DIRECTORY);

/** The path of `name` in an open directory, wherever that directory is by now. */
export const within = (directory, name) => `/proc/self/fd/${directory}/${name}`;

/** A descriptor of the regular file `name` in a directory. */
export function openRegular(directory, name, access) {
  let fd;
  try {
    fd = openSync(within(directory, name), access | o.O_NOFOLLOW | o.O_NONBLOCK | o.O_NOCTTY, 0o600);
  } catch (error) {
    if (error.code === 'ELOOP') throw new Fault('it is a symbolic link, not a regular file');
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Fault('it is not a regular file');
}

/** The same, of a file that nobody but us and root can have written: a Fault where others could. */
export function openOwn(directory, name, access) {
  const fd = openRegular(directory, name, access);
  try {
    checkOwn(fstatSync(fd), `${readlinkSync(`/proc/self/fd/${directory}`)}/${name}`);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Fails where others than us and root can write to the file at `path`, or put another one in its place. */
export function checkOwn(found, path) {
  if (!isOurs(found))
    throw new Fault(`\`${escape(path)}\` belongs to user ${found.uid}, who can change it; own it (chown)`);
  const parent = dirname(path);
  for (const [place, of] of [
    [path, found],
    [parent, statSync(parent)],
  ]) {
    if ((isOurs(of) && (of.mode & 0o022) === 0) || isPrivate(parent)) continue;
    const shown = escape(place);
    throw new Fault(
      `others can write to \`${shown}\`, and may have; look at it, then: chmod go-w ${shown}`,
    );
  }
}

const isOurs = (found) => found.uid === process.geteuid() || found.uid === 0;

/** Whether others are kept out on the way there: then no mode below matters to them. */
function isPrivate(directory) {
  for (let at = directory; ; at = dirname(at)) {
    const found = statSync(at);
    if (isOurs(found) && (found.mode & 0o011) === 0) return true;
    if (at === '/') return false;
  }
}

/** The whole content of an open file. */
export function readAll(fd) {
  const pieces = [];
  for (let size = 0; ;) {
    const piece = Buffer.alloc(64 << 10);
    const got = readSync(fd, piece, 0, piece.length, size);
    if (got === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, got));
    size += got;
    if (size > MAX_BYTES) throw new Fault(`it is larger than ${MAX_BYTES >> 20} MiB`);
  }
}

/**
 * Takes the `flock` on an open file, waiting for it until the deadline; whether it has it.
 *
 * Node cannot ask for it, but the program flock(1) can ask for it on a descriptor that it is handed. The lock
 * belongs to the open file, which this process goes on holding when the program has ended.
 */
export function flockUntil(fd, deadline) {
  const seconds = (Math.max(deadline - performance.now(), 0) / 1000).toFixed(3);
  return runFlock(fd, '--exclusive', '--timeout', seconds);
}

/** Takes the `flock` on an open file together with others who ask for it so, without waiting; whether it has it. */
export const flockAtOnce = (fd) => runFlock(fd, '--shared', '--nonblock');

function runFlock(fd, ...how) {
  const flock = spawn('flock', [...how, '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  return new Promise((resolve, reject) => {
    flock.on('error', (error) => reject(new Fault(`the program flock cannot be run: ${error.message}`)));
    flock.on('exit', (code) => {
      if (code === 0 || code === 1) resolve(code === 0);
      else reject(new Fault('the program flock failed'));
    });
  });
}

/** Whether an open file is still the one that `stat` tells of: who waited for a lock may hold an old one. */
export function isSameFile(fd, there) {
  const held = fstatSync(fd);
  return held.dev === there.dev && held.ino === there.ino;
}
