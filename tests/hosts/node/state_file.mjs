// How a file of state is opened, locked and read: never waiting without a bound, never what is no regular file.

import { spawn } from 'node:child_process';
import { closeSync, constants as o, fstatSync, openSync, readSync } from 'node:fs';

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
