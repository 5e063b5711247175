#!/usr/bin/env node
// A host of the pod tools in JavaScript: `host.mjs call --batch`, a JSON line in, a JSON line out.
//
// It loads the same component as the Rust host and implements its imports with Node's standard library:
//
//     host.mjs        the command line and the batch
//     plugin.mjs      the component, transpiled by jco, and the thread that it runs in
//     sandbox.mjs     that thread: its imports ask the main thread, and wait
//     imports.mjs     the imports, one function each
//     authority.mjs   grants, the gate that every import passes, the state of a call
//     sockets.mjs     granted directories, connections, exchanges
//     registry.mjs    spawned_pods.json and read_cursors.json
//     scope_lock.mjs  scope.lock
//     state_file.mjs  opening, locking and reading what these two keep; json_text.mjs: writing it back untouched
//
// profile.json says what it does not support.

import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Authority, Call, Grant, VERBS } from './authority.mjs';
import { ToolError, escape } from './errors.mjs';
import * as json from './json_text.mjs';
import { Plugin, transpiled } from './plugin.mjs';
import { Registry, isText } from './registry.mjs';
import { ScopeLock } from './scope_lock.mjs';
import { Directories } from './sockets.mjs';

/** Milliseconds; a number is seconds, and `250ms` and `2m` say so. */
function duration(text) {
  const [, number, unit] = /^(\d*\.?\d*)\s*(.*)$/.exec(text) ?? [];
  const ms = Number(number || NaN) * ({ '': 1000, s: 1000, ms: 1, m: 60_000, min: 60_000 }[unit] ?? NaN);
  if (!(ms > 0 && ms <= 86_400_000)) throw new Error(`\`${text}\` is no duration, as 250ms or 5s are`);
  return ms;
}

/** Bytes; `64KiB`, `2MiB` and `1GiB` say so. */
function size(text) {
  const [, number, unit] = /^(\d+)\s*(.*)$/.exec(text) ?? [];
  const shift = { '': 0, B: 0, K: 10, KiB: 10, M: 20, MiB: 20, G: 30, GiB: 30 }[unit];
  if (shift === undefined) throw new Error(`\`${text}\` is no size, as 4096 or 64MiB are`);
  return Number(number) * 2 ** shift;
}

/** The options, or what is wrong with them. */
function options() {
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      batch: { type: 'boolean' },
      component: text,
      'base-dir': text,
      'runtime-dir': text,
      'scope-lock': text,
      'allow-sockets': { ...text, multiple: true },
      grant: { ...text, multiple: true },
      'op-timeout': { ...text, default: '5s' },
      'call-timeout': { ...text, default: '30s' },
      'max-line': { ...text, default: '256MiB' },
      'max-output': text,
      'host-calls': { ...text, default: '1000000' },
      exchanges: { ...text, default: '8' },
    },
  });
  if (positionals.join() !== 'call' || !values.batch || !values.component) {
    throw new Error('usage: host.mjs call --batch --component FILE [OPTION…]');
  }
  return {
    ...values,
    grants: (values.grant ?? [VERBS.join()]).map((text) => new Grant(text)),
    limits: {
      opTimeout: duration(values['op-timeout']),
      callTimeout: duration(values['call-timeout']),
      maxLine: size(values['max-line']),
      maxOutput: values['max-output'] === undefined ? undefined : size(values['max-output']),
      hostCalls: size(values['host-calls']),
      exchanges: size(values.exchanges),
    },
  };
}

/** The authority that the options describe. The operator who names no grant is granted everything. */
function authority({ grants, limits, ...values }) {
  const { XDG_RUNTIME_DIR, INSOMNIA_SCOPE_LOCK } = process.env;
  const standard = XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, 'insomnia') : join(homedir(), '.insomnia/run');
  const base = values['base-dir'] ?? standard;
  let runtime = values['runtime-dir'];
  if (runtime === undefined) {
    runtime = join(base, 'pod-tools');
    mkdirSync(runtime, { recursive: true, mode: 0o700 });
  }
  const directories = new Directories(values['allow-sockets'] ?? [base, runtime]);
  return new Authority({
    grants,
    limits,
    directories,
    registry: new Registry(runtime),
    scopeLock: new ScopeLock(
      values['scope-lock'] ?? (INSOMNIA_SCOPE_LOCK || join(base, 'scope.lock')),
      directories,
    ),
  });
}

async function* lines(input) {
  let rest = [];
  for await (const piece of input) {
    let start = 0;
    for (let end; (end = piece.indexOf(10, start)) >= 0; start = end + 1) {
      yield Buffer.concat([...rest, piece.subarray(start, end)]);
      rest = [];
    }
    rest.push(piece.subarray(start));
  }
  yield Buffer.concat(rest);
}

/** The tool and its input, as the text that it was given in. */
function request(line) {
  try {
    const members = json.members(json.decode(line));
    for (const name of members.keys()) {
      if (!['tool', 'input', 'input_json'].includes(name))
        throw new Error(`unknown field \`${escape(name)}\``);
    }
    const tool = JSON.parse(members.get('tool') ?? 'null');
    const text = JSON.parse(members.get('input_json') ?? 'null');
    if (!isText(tool) || (text !== null && !isText(text))) {
      throw new Error('`tool` must be there and a text, and `input_json` a text');
    }
    const given = members.get('input') ?? 'null';
    if (given !== 'null' && text !== null) throw new Error('it has both `input` and `input_json`');
    return { tool, input: given === 'null' ? (text ?? '') : given };
  } catch (error) {
    throw new ToolError('invalid-argument', null, `invalid batch line: ${error.message}`);
  }
}

/** The output as a line. The plugin's data is read and written anew: it may hold line breaks, or be no JSON. */
function render({ summary, content, data }) {
  try {
    return JSON.stringify({ ok: { summary, content: content ?? null, data: JSON.parse(data) } });
  } catch (error) {
    throw new ToolError('internal', null, `the plugin's data is not JSON: ${error.message}`);
  }
}

const write = (text) =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });

async function main(args) {
  let given;
  let plugin;
  let broken = null;
  try {
    given = authority(args);
    plugin = new Plugin(await transpiled(args.component));
    await plugin.start();
  } catch (error) {
    broken = error instanceof ToolError ? error : new ToolError('execution-failed', null, error.message);
  }
  for await (const line of lines(process.stdin)) {
    if (/^\s*$/.test(line)) continue;
    let answer;
    let call = null;
    try {
      if (broken) throw broken;
      const { tool, input } = request(line);
      call = new Call(given);
      answer = render(await plugin.call(call, tool, input));
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      const { kind, reason, message } = error;
      answer = JSON.stringify({ err: { kind, reason, message } });
      call = null;
    }
    await write(`${answer}\n`);
    // Now the caller has the answer, and not before: a kill in between repeats text, and loses none.
    await call?.delivered().catch((error) => {
      console.error(`host.mjs: warning: the read cursor was not stored: ${error.message}`);
    });
  }
  return broken ? 1 : 0;
}

let args;
try {
  args = options();
} catch (error) {
  console.error(`host.mjs: ${error.message}`);
  process.exit(2);
}
process.on('SIGINT', () => process.exit(130));
process.exit(await main(args));
