// What a call can end in besides an answer, and how names and times are shown in it.

/** A value of the contract's `error`: it goes to the plugin, which hands it on or not. */
export class ToolError extends Error {
  constructor(kind, reason, message) {
    super(message);
    Object.assign(this, { kind, reason });
  }
}

/** Ends the call, with the error that its caller gets. */
export class EndOfCall extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

export const failed = (reason, message) => new ToolError('execution-failed', reason, message);
export const limit = (message) => new ToolError('limit', null, message);
export const callTimeIsUp = (ms) =>
  new ToolError('timeout', null, `the call took longer than ${showTime(ms)} (raise it with --call-timeout)`);
export const descriptorsExhausted = () =>
  failed(
    'descriptors-exhausted',
    'this process has no file descriptor left, so pods cannot be reached; raise its limit (ulimit -n)',
  );

export const isOutOfDescriptors = (error) => error.code === 'EMFILE' || error.code === 'ENFILE';
export const showTime = (ms) => (ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`);

/** A name as it is shown: what could forge a line or steer a terminal is escaped. */
export const escape = (text) =>
  text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (c) => ({ '\t': '\\t', '\r': '\\r', '\n': '\\n' })[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`,
  );
