// The component: transpiled by jco, run in a thread of its own, its imports answered here. It decides nothing.
//
// A handle that the component holds is a number, and what it stands for lives in the call's table of handles.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, Worker } from 'node:worker_threads';

import { EndOfCall, ToolError, callTimeIsUp } from './errors.mjs';
import * as imports from './imports.mjs';
import { Exchange } from './sockets.mjs';

/** 512 MiB, in pages of WebAssembly; for the whole process, and it has one component. */
setFlagsFromString('--wasm-max-mem-pages=8192');

/** The imports whose first argument is not a handle, or a list of handles. */
const WITHOUT_HANDLE = ['find', 'list', 'bounds', 'reclaimStale'];

/** Transpiles a component file, once for each content; the directory of the result. */
export async function transpiled(file) {
  const bytes = readFileSync(file);
  const hash = createHash('sha256').update(readFileSync(join(import.meta.dirname, 'package.json'))).update(bytes);
  const cache = join(import.meta.dirname, 'node_modules', '.cache', 'pod-tools');
  const directory = join(cache, hash.digest('hex'));
  try {
    readFileSync(join(directory, 'plugin.js'));
    return directory;
  } catch {
    // Not there yet.
  }
  const { transpile } = await import('@bytecodealliance/jco-transpile');
  const options = { name: 'plugin', instantiation: 'sync', wasiShim: false, noTypescript: true };
  const { files } = await transpile(file, { ...options, outDir: '' });
  const draft = `${directory}.${process.pid}`;
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(draft, name)), { recursive: true });
    writeFileSync(join(draft, name), content);
  }
  try {
    renameSync(draft, directory);
  } catch {
    // Another process was faster.
    rmSync(draft, { recursive: true, force: true });
  }
  return directory;
}

/** A component's thread. Every call gets an instance of its own in it. */
export class Plugin {
  #directory;
  #worker = null;
  #port;
  #answered;
  #call = null;
  #end = null;

  constructor(directory) {
    this.#directory = directory;
  }

  /** Starts the thread, and says why it does not start. */
  async start() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#answered = new Int32Array(new SharedArrayBuffer(4));
    port1.on('message', (message) => this.#answer(port1, message));
    port1.unref();
    this.#worker = new Worker(new URL('./sandbox.mjs', import.meta.url), {
      workerData: { directory: this.#directory, port: port2, answered: this.#answered },
      transferList: [port2],
      env: {},
    });
    this.#worker.unref();
    await this.#said(this.#worker);
  }

  /** The tool's output; a ToolError where it failed. */
  async call(call, tool, input) {
    if (!this.#worker) await this.start();
    this.#call = call;
    this.#end = null;
    const timeIsUp = callTimeIsUp(call.limits.callTimeout);
    let timer;
    const deadline = new Promise((_, reject) => {
      timer = setTimeout(() => reject(timeIsUp), call.deadline - performance.now());
    });
    try {
      const said = this.#said(this.#worker);
      this.#worker.postMessage({ tool, input });
      const { output, error, trap } = await Promise.race([said, deadline]);
      if (this.#end) throw this.#end;
      if (error) throw new ToolError(error.kind, error.reason ?? null, error.message);
      if (trap) throw new ToolError('internal', null, `the plugin failed: ${trap}`);
      return output;
    } catch (error) {
      if (!(error instanceof ToolError)) throw new ToolError('internal', null, `the plugin failed: ${error.message}`);
      if (error === timeIsUp) await this.#stop();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#call = null;
      for (const held of call.handles.values()) if (held instanceof Exchange) held.close();
    }
  }

  async #stop() {
    const worker = this.#worker;
    this.#worker = null;
    this.#port.close();
    await worker.terminate();
  }

  /** The next message of the thread, or the error that ended it. */
  #said(worker) {
    worker.ref();
    return new Promise((resolve, reject) => {
      const done = (settle) => (value) => {
        worker.off('message', said).off('error', broke);
        worker.unref();
        settle(value);
      };
      const said = done(resolve);
      const broke = done((error) => {
        this.#worker = null;
        reject(error);
      });
      worker.on('message', said).on('error', broke);
    });
  }

  /** Answers one import. */
  async #answer(port, { name, given }) {
    const call = this.#call;
    let answer;
    try {
      answer = { value: name === 'drop' ? drop(call, given[0]) : await this.#run(call, name, given) };
    } catch (error) {
      if (error instanceof ToolError) {
        const { kind, reason, message } = error;
        answer = { error: { kind, reason: reason ?? undefined, message } };
      } else {
        const broken = `the host failed in the middle of a call: ${error.message}`;
        this.#end = error instanceof EndOfCall ? error.error : new ToolError('internal', null, broken);
        answer = { end: true };
      }
    }
    port.postMessage(answer);
    Atomics.store(this.#answered, 0, 1);
    Atomics.notify(this.#answered, 0);
  }

  async #run(call, name, given) {
    const lift = (value) => (Array.isArray(value) ? value.map(lift) : call.handles.get(value));
    const [first, ...rest] = given;
    const args = WITHOUT_HANDLE.includes(name) ? given : [lift(first), ...rest];
    return lower(call, await imports[name](call, ...args));
  }
}

function drop(call, handle) {
  const held = call.handles.get(handle);
  call.handles.delete(handle);
  if (held instanceof Exchange) {
    held.close();
    call.exchanges -= 1;
  }
}

/** What the component gets to see: a handle in the place of an object of ours. */
function lower(call, value) {
  if (value instanceof imports.Pod || value instanceof Exchange) {
    const handle = call.nextHandle++;
    call.handles.set(handle, value);
    return handle;
  }
  if (value?.pods) return { ...value, pods: value.pods.map((one) => ({ ...one, pod: lower(call, one.pod) })) };
  return value;
}
