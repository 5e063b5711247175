// The imports of WASI, with nothing behind them: whoever calls one has trapped. A standard library drags them into a
// component, and needs them for a panic's message at most.

const nothing = (name) =>
  function trap() {
    throw new Error(`there is nothing of WASI here, and ${name} was called`);
  };

/** The imports of the component: `given`, and for every other interface traps. */
export const withoutWasi = (given) =>
  new Proxy(given, {
    get: (_, module) =>
      given[module] ?? new Proxy({}, { get: (_, name) => nothing(`${String(module)} ${String(name)}`) }),
  });
