// The thread that the component runs in. It can do one thing: ask the main thread, and wait for the answer.
//
// The contract's functions block, and what they need of Node does not: so they run in the main thread, while this
// one sleeps on a word of shared memory. A thread can also be ended, whatever the component is doing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';

import { withoutWasi } from './wasi.mjs';

const { directory, port, answered } = workerData;

function ask(name, ...given) {
  Atomics.store(answered, 0, 0);
  port.postMessage({ name, given });
  // More than once: the call that wakes a waiter may come late, when the next one waits already.
  while (Atomics.load(answered, 0) === 0) Atomics.wait(answered, 0, 0);
  const { value, error, end } = receiveMessageOnPort(port).message;
  // An error object would be a trap; a plain one is the contract's `error`.
  if (error) throw error;
  if (end) throw new Error('the host ended the call');
  return value;
}

/** A handle: a number of the main thread's. */
class Handle {
  constructor(handle) {
    this.handle = handle;
  }
  [Symbol.dispose ?? Symbol.for('dispose')]() {
    ask('drop', this.handle);
  }
}

class Pod extends Handle {
  describe() {
    return ask('describe', this.handle);
  }
  state() {
    return ask('state', this.handle);
  }
  cursor() {
    return ask('cursor', this.handle);
  }
  setCursor(cursor) {
    ask('setCursor', this.handle, cursor);
  }
}

class Exchange extends Handle {
  read(max, withinMs) {
    return ask('read', this.handle, max, withinMs);
  }
}

const imports = withoutWasi({
  'pod:tools/types': {},
  'pod:tools/pods': {
    Pod,
    find: (name, purpose) => new Pod(ask('find', name, purpose)),
    list() {
      const { pods, unreadable } = ask('list');
      return { pods: pods.map(({ pod, description }) => ({ pod: new Pod(pod), description })), unreadable };
    },
    forget: ({ handle }) => ask('forget', handle),
    spawnedBy({ handle }) {
      const { pods, others } = ask('spawnedBy', handle);
      return { pods: pods.map((pod) => new Pod(pod)), others };
    },
    bounds: () => ask('bounds'),
  },
  'pod:tools/unix-socket': {
    Exchange,
    open: ({ handle }, request, withinMs) => new Exchange(ask('open', handle, request, withinMs)),
    awaitAny: (exchanges, withinMs) =>
      ask(
        'awaitAny',
        exchanges.map(({ handle }) => handle),
        withinMs,
      ),
    probe: (pods) =>
      ask(
        'probe',
        pods.map(({ handle }) => handle),
      ),
    awaitClosed: ({ handle }, withinMs) => ask('awaitClosed', handle, withinMs),
  },
  'pod:tools/scope-lock': {
    release: ({ handle }, withinMs) => ask('release', handle, withinMs),
    reclaimStale: (withinMs) => ask('reclaimStale', withinMs),
  },
  'pod:tools/content': {
    append: (text) => ask('append', text),
  },
});

const { instantiate } = await import(join(directory, 'plugin.js'));
const modules = new Map();

function coreModule(path) {
  if (!modules.has(path)) modules.set(path, new WebAssembly.Module(readFileSync(join(directory, path))));
  return modules.get(path);
}

parentPort.on('message', ({ tool, input }) => {
  try {
    // A fresh instance for every call: nothing of it survives.
    parentPort.postMessage({ output: instantiate(coreModule, imports).tools.call(tool, input) });
  } catch (error) {
    const { kind, reason, message } = error?.payload ?? error;
    parentPort.postMessage(kind ? { error: { kind, reason, message } } : { trap: String(error) });
  }
});
parentPort.postMessage('ready');
