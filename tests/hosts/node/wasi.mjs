// The part of WASI 0.2 that a language's standard library drags in, with nothing behind it: no arguments, no
// environment, no input, no output. A component that asks for more of WASI than this does not start.

class Nothing {}

/** What the component says on its standard error goes nowhere. */
class OutputStream {
  checkWrite() {
    return 1n << 16n;
  }
  write() {}
  blockingFlush() {}
  subscribe() {
    return new Pollable();
  }
}

class Pollable {
  block() {}
}

export const WASI = {
  'wasi:cli/environment': { getEnvironment: () => [] },
  'wasi:cli/exit': {
    exit() {
      throw new Error('the plugin called exit');
    },
  },
  'wasi:cli/stdin': { getStdin: () => new Nothing() },
  'wasi:cli/stdout': { getStdout: () => new OutputStream() },
  'wasi:cli/stderr': { getStderr: () => new OutputStream() },
  'wasi:cli/terminal-input': { TerminalInput: Nothing },
  'wasi:cli/terminal-output': { TerminalOutput: Nothing },
  'wasi:cli/terminal-stdin': { getTerminalStdin: () => undefined },
  'wasi:cli/terminal-stdout': { getTerminalStdout: () => undefined },
  'wasi:cli/terminal-stderr': { getTerminalStderr: () => undefined },
  'wasi:io/error': { Error: Nothing },
  'wasi:io/poll': { Pollable },
  'wasi:io/streams': { InputStream: Nothing, OutputStream },
};
