// The imports of the contract, one function each; `wit/` says what they mean. Each begins with the gate.
//
// The first argument is the call; handles arrive as what they stand for. An answer is a plain value, or a `Pod` or
// `Exchange`, of which the component gets a handle. An error is a ToolError.

import { closeSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { REQUESTS } from './authority.mjs';
import { EndOfCall, ToolError, escape, failed, limit } from './errors.mjs';
import { GONE } from './life.mjs';
import { recordsOf } from './registry.mjs';
import {
  BacklogFull,
  Exchange,
  Refused,
  Unreachable,
  anyReadable,
  refused,
  samePlace,
  timedOut,
} from './sockets.mjs';

const MAX_DIGEST = 128;
const MAX_CONTENT = 256 << 20;
const MAX_STATUS = 64 << 10;
const MAX_SPAWNED = 4 << 20;
/** Each takes two descriptors for a moment. */
const PROBES_AT_ONCE = 32;

/** What a handle stands for: one record of the registry. */
export class Pod {
  /** Its scope was released through this handle, so its record may go. */
  released = false;

  /** Another pod may have spawned it, and has its record then. */
  constructor(record, isAnothers = false) {
    this.record = record;
    this.isAnothers = isAnothers;
  }
}

// ---- pods

export function find(call, name, purpose) {
  call.admit(REQUESTS.find[purpose], name);
  const record = call.authority.registry.load().records.find((record) => record.name === name);
  if (record) return new Pod(record);
  throw new ToolError('invalid-argument', 'unknown-pod', `no spawned pod named \`${escape(name)}\``);
}

export function list(call) {
  call.admit(REQUESTS.list);
  const maySee = (name) => call.authority.allows('list', name);
  const { records, unreadable } = call.authority.registry.load();
  const pods = records.filter(({ name }) => maySee(name)).map((record) => new Pod(record));
  return {
    pods: pods.map((pod) => ({ pod, description: description(pod) })),
    unreadable: unreadable.filter((name) => name === null || maySee(name)).length,
  };
}

export function describe(call, pod) {
  call.count();
  return description(pod);
}

const description = ({ record }) => ({
  name: record.name,
  scope: record.scope.map(({ target, permission, recursive }) => ({ target, permission, recursive })),
  fence: record.fence,
});

export function state(call, pod) {
  call.admit(REQUESTS.state, pod.record.name);
  let fd;
  try {
    fd = call.authority.directories.openBeside(pod.record.socket, 'status.json');
    const text = Buffer.alloc(MAX_STATUS);
    const { state } = JSON.parse(text.toString('utf8', 0, readSync(fd, text)));
    return ['idle', 'running', 'paused'].includes(state) ? state : 'unknown';
  } catch (error) {
    // Its own word is all that this is about: a status that cannot be trusted is none.
    if (error instanceof ToolError) throw error;
    return 'unknown';
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function cursor(call, pod) {
  call.admit(REQUESTS.cursor, pod.record.name);
  return call.cursor(pod.record.name) ?? undefined;
}

export function setCursor(call, pod, { items, digest }) {
  call.admit(REQUESTS.cursor, pod.record.name);
  const length = Buffer.byteLength(digest);
  if (length > MAX_DIGEST) {
    const message = `a cursor's digest has at most ${MAX_DIGEST} bytes, not ${length}`;
    throw new ToolError('invalid-argument', null, message);
  }
  call.stageCursor(pod.record.name, { items, digest });
}

export async function forget(call, pod) {
  const { record } = pod;
  call.admit(REQUESTS.forget, record.name);
  if (!pod.released) {
    const message = `pod \`${escape(record.name)}\` is not known to be stopped: its scope has not been released in this call`;
    throw failed('still-running', message);
  }
  // It may have come back since.
  await refuseIfLiving(call, record, record.socket, true);
  if (pod.isAnothers) return;
  await call.authority.registry.remove(record, left(call, undefined));
  call.dropStaged(record.name);
}

/** What is beside the pod's socket is the pod's own word: who was delegated by somebody else is none of its. */
export async function spawnedBy(call, pod) {
  const parent = pod.record;
  call.admit(REQUESTS.spawned, parent.name);
  let fd;
  let text;
  try {
    fd = call.authority.directories.openBeside(parent.socket, 'spawned_pods.json');
    const bytes = Buffer.alloc(MAX_SPAWNED + 1);
    text = bytes.toString('utf8', 0, readSync(fd, bytes));
  } catch (error) {
    if (error instanceof Unreachable) return { pods: [], others: 0 };
    throw error instanceof Refused ? refused(parent, error) : error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  let read;
  try {
    if (Buffer.byteLength(text) > MAX_SPAWNED) throw new Error('is too long');
    read = recordsOf(text.trim() ? text : '[]');
  } catch (error) {
    const what = `pod \`${escape(parent.name)}\`: what it spawned cannot be read`;
    throw failed('registry-damaged', `${what}: \`spawned_pods.json\` beside its socket: ${error.message}`);
  }
  const { records, unreadable } = read;
  const table = records.length ? await call.authority.scopeLock.allocations(left(call, undefined)) : [];
  const isIts = (record) =>
    !samePlace(record.socket, parent.socket) &&
    table
      .filter((entry) => entry.name === record.name || samePlace(entry.socket, record.socket))
      .every((entry) => entry.name === record.name && entry.parent === parent.name);
  const its = records.filter((record) => isIts(record) && call.authority.allows('stop', record.name));
  const others = unreadable.length + records.length - its.length;
  return { pods: its.map((record) => new Pod(record, true)), others };
}

export function bounds(call) {
  call.count();
  const { opTimeout, callTimeout, maxOutput } = call.limits;
  return {
    operationMs: Math.floor(opTimeout),
    callMs: Math.floor(callTimeout),
    maxOutput: maxOutput === undefined ? undefined : BigInt(maxOutput),
  };
}

// ---- unix-socket

const METHODS = {
  run: [({ val }) => ({ method: 'run', params: { input: val } }), 'send'],
  'get-history': [() => ({ method: 'get_history' }), 'read'],
  shutdown: [() => ({ method: 'shutdown' }), 'stop'],
  listen: [null, null],
};

export async function open(call, { record }, request, withinMs) {
  const [method, needs] = METHODS[request.tag];
  call.admit(needs ? REQUESTS.find[needs] : REQUESTS.listen, record.name);
  if (call.exchanges >= call.limits.exchanges) {
    throw limit(`the plugin has ${call.limits.exchanges} exchanges open already (raise it with --exchanges)`);
  }
  const { ms, until } = call.wait(withinMs);
  let socket;
  try {
    socket = await call.authority.directories.connectUntil(record.socket, until);
  } catch (error) {
    if (error instanceof BacklogFull) {
      call.admit(REQUESTS.readOn);
      throw timedOut('connect', ms);
    }
    if (error instanceof Unreachable) throw failed('unreachable', `connect: ${error.message}`);
    throw error instanceof Refused ? refused(record, error) : error;
  }
  call.exchanges += 1;
  // One line, whatever the text holds: JSON escapes every line break.
  const line = Buffer.from(method ? `${JSON.stringify(method(request))}\n` : '');
  return new Exchange(socket, line, withinMs === undefined ? Infinity : until, call.limits.maxLine);
}

export async function read(call, exchange, max, withinMs) {
  call.admit(REQUESTS.readOn);
  const { ms, until } = call.wait(withinMs);
  try {
    return await exchange.read(max, Math.min(until, exchange.deadline), ms);
  } catch (error) {
    // The time of the whole call may be what is up.
    if (error.reason === 'socket-timeout') call.admit(REQUESTS.readOn);
    throw error;
  }
}

export async function awaitAny(call, exchanges, withinMs) {
  call.admit(REQUESTS.readOn);
  const began = performance.now();
  const ready = await anyReadable(exchanges, Math.min(began + withinMs, call.deadline));
  // The time of the whole call may be what is up.
  if (ready.length === 0) call.admit(REQUESTS.readOn);
  return { ready, waitedMs: call.countWait(performance.now() - began) };
}

export async function probe(call, pods) {
  const answers = [];
  while (answers.length < pods.length) {
    const some = pods.slice(answers.length, answers.length + PROBES_AT_ONCE);
    for (const pod of some) call.admit(REQUESTS.probe, pod.record.name);
    answers.push(...(await Promise.all(some.map(({ record }) => reachability(call, record.socket)))));
  }
  return answers;
}

async function reachability(call, socket) {
  try {
    (await call.authority.directories.connect(socket)).destroy();
    return 'alive';
  } catch (error) {
    if (error instanceof BacklogFull) return 'alive';
    if (error instanceof Unreachable) return 'stopped';
    if (error instanceof Refused) return 'denied';
    throw error;
  }
}

export async function awaitClosed(call, { record }, withinMs) {
  call.admit(REQUESTS.awaitClosed, record.name);
  const { until } = call.wait(withinMs);
  // A pod that has said goodbye is gone within milliseconds, and nothing tells of it.
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    try {
      (await call.authority.directories.connect(record.socket)).destroy();
    } catch (error) {
      if (error instanceof Unreachable) return true;
      if (!(error instanceof BacklogFull)) throw error instanceof Refused ? refused(record, error) : error;
    }
    const left = until - performance.now();
    if (left <= 0) return false;
    await sleep(Math.min(pause, left));
  }
}

// ---- scope-lock

/** A process that may be about to end is in the way of a release; the error where it does not. */
class MayEnd extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

/** Releases the scope of a pod that is gone, and waits for its end where it may be ending. */
export async function release(call, pod, withinMs) {
  const { record } = pod;
  call.admit(REQUESTS.release, record.name);
  const { ms, until } = call.wait(withinMs);
  for (let pause = 2; !pod.released; pause = Math.min(pause * 2, 50)) {
    try {
      await call.authority.scopeLock.release(
        record.name,
        Math.max(until - performance.now(), 0),
        (entry, check) => mayRelease(call, record, entry, check, ms),
      );
      pod.released = true;
    } catch (obstacle) {
      if (!(obstacle instanceof MayEnd)) throw obstacle;
      const left = until - performance.now();
      if (left <= 0) throw obstacle.error;
      // Others get the lock meanwhile.
      await sleep(Math.min(pause, left));
    }
  }
}

/**
 * Whether nothing is in the way: neither a socket that takes connections nor anything that may live. It is asked
 * under the lock, which a pod has to pass before it takes connections.
 */
async function mayRelease(call, record, entry, check, ms) {
  const life = entry ? await check.of(entry) : GONE;
  if (entry && !samePlace(entry.socket, record.socket)) {
    // Another pod of that name, whose scope is not ours to give away while it lives.
    await refuseIfLiving(call, record, entry.socket, life !== GONE).catch((error) => {
      throw error.reason === 'socket-refused' ? new MayEnd(error) : error;
    });
  }
  await refuseIfLiving(call, record, record.socket, true);
  const { answer, why } = life === GONE ? await check.ofSocket(record.socket) : life;
  if (answer === 'lives') {
    const message = `still running after ${ms / 1000} s: ${why}; nothing was released; end it, or try again`;
    throw new MayEnd(failed('still-running', message));
  }
  if (answer === 'unknown') {
    const remedy = `if it is gone, remove its entry from \`${escape(call.authority.scopeLock.path)}\``;
    throw failed('still-running', `not known to be gone: ${why}; nothing was released; ${remedy}`);
  }
}

/** Fails while the socket takes connections; and, where it cannot be asked, while the process lives. */
async function refuseIfLiving(call, record, socket, processLives) {
  try {
    (await call.authority.directories.connect(socket)).destroy();
  } catch (error) {
    if (error instanceof Unreachable) return;
    if (error instanceof Refused) {
      if (processLives) throw refused({ ...record, socket }, error);
      return;
    }
    if (!(error instanceof BacklogFull)) throw error;
  }
  throw failed(
    'still-running',
    `pod \`${escape(record.name)}\` still takes connections; its scope was not released`,
  );
}

export function reclaimStale(call, withinMs) {
  call.admit(REQUESTS.reclaim);
  return call.authority.scopeLock.reclaimStale(left(call, withinMs));
}

const left = (call, withinMs) => Math.max(call.wait(withinMs).until - performance.now(), 0);

// ---- content

export function append(call, text) {
  call.count();
  call.contentBytes += Buffer.byteLength(text);
  if (call.contentBytes > MAX_CONTENT)
    throw new EndOfCall(limit(`the plugin hands over more than ${MAX_CONTENT} bytes of an answer`));
  call.content += text;
}
