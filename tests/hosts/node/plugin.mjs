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
const WITHOUT_HANDLE = ['find', 'list', 'bounds', 'reclaimStale', 'append'];

/** Transpiles a component file, once for each content; the directory of the result. */
export async function transpiled(file) {
  const bytes = readFileSync(file);
  const hash = createHash('sha256')
    .update(readFileSync(join(import.meta.dirname, 'package.json')))
    .update(bytes);
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
  /** The thread, and what is shared with it; null where there is none. */
  #sandbox = null;

  constructor(directory) {
    this.#directory = directory;
  }

  /** Starts the thread, and says why it does not start. */
  async start() {
    const { port1: port, port2 } = new MessageChannel();
    const answered = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL('./sandbox.mjs', import.meta.url), {
      workerData: { directory: this.#directory, port: port2, answered },
      transferList: [port2],
      env: {},
    });
    const sandbox = { worker, port, answered, call: null, end: null };
    port.on('message', (message) => this.#answer(sandbox, message));
    port.unref();
    this.#sandbox = sandbox;
    await this.#said(sandbox);
  }

  /** The tool's output; a ToolError where it failed. */
  async call(call, tool, input) {
    if (!this.#sandbox) await this.start();
    const sandbox = this.#sandbox;
    Object.assign(sandbox, { call, end: null });
    const timeIsUp = callTimeIsUp(call.limits.callTimeout);
    let timer;
    const deadline = new Promise((_, reject) => {
      timer = setTimeout(() => reject(timeIsUp), call.deadline - performance.now());
    });
    try {
      const said = this.#said(sandbox);
      sandbox.worker.postMessage({ tool, input });
      const { output, error, trap } = await Promise.race([said, deadline]);
      if (sandbox.end) throw sandbox.end;
      if (error) throw new ToolError(error.kind, error.reason ?? null, error.message);
      if (trap) throw new ToolError('internal', null, `the plugin failed: ${trap}`);
      const content = call.content ? call.content + (output.content ?? '') : output.content;
      return { ...output, content };
    } catch (error) {
      if (!(error instanceof ToolError))
        throw new ToolError('internal', null, `the plugin failed: ${error.message}`);
      if (error === timeIsUp) await this.#stop();
      throw error;
    } finally {
      clearTimeout(timer);
      call.isOver = true;
      for (const held of call.handles.values()) if (held instanceof Exchange) held.close();
    }
  }

  async #stop() {
    const { worker, port } = this.#sandbox;
    this.#sandbox = null;
    port.close();
    await worker.terminate();
  }

  /** The next message of the thread, or the error that ended it. */
  #said({ worker }) {
    worker.ref();
    return new Promise((resolve, reject) => {
      const done = (settle) => (value) => {
        worker.off('message', said).off('error', broke);
        worker.unref();
        settle(value);
      };
      const said = done(resolve);
      const broke = done((error) => {
        this.#sandbox = null;
        reject(error);
      });
      worker.on('message', said).on('error', broke);
    });
  }

  /** Answers one import. It may take longer than the call and its thread last. */
  async #answer(sandbox, { name, given }) {
    const { port, answered, call } = sandbox;
    let answer;
    try {
      answer = { value: name === 'drop' ? drop(call, given[0]) : await this.#run(call, name, given) };
    } catch (error) {
      if (error instanceof ToolError) {
        const { kind, reason, message } = error;
        answer = { error: { kind, reason: reason ?? undefined, message } };
      } else {
        const broken = `the host failed in the middle of a call: ${error.message}`;
        sandbox.end = error instanceof EndOfCall ? error.error : new ToolError('internal', null, broken);
        answer = { end: true };
      }
    }
    port.postMessage(answer);
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  }

  async #run(call, name, given) {
    const kind = ['read', 'awaitAny'].includes(name) ? Exchange : imports.Pod;
    const lift = (value) => {
      if (Array.isArray(value)) return value.map(lift);
      const held = call.handles.get(value);
      if (held instanceof kind) return held;
      throw new EndOfCall(new ToolError('internal', null, 'the plugin used a handle that it does not hold'));
    };
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
    // A connection may be made just when the call has ended.
    if (call.isOver && value instanceof Exchange) value.close();
    const handle = call.nextHandle++;
    call.handles.set(handle, value);
    return handle;
  }
  if (value?.pods)
    return {
      ...value,
      pods: value.pods.map((one) =>
        one instanceof imports.Pod ? lower(call, one) : { ...one, pod: lower(call, one.pod) },
      ),
    };
  return value;
}
