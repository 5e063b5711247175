"""The component and its imports. Everything that knows wasmtime is here; it decides nothing.

A handle that the component holds is a number, and what it stands for lives in the call's table of handles.
"""

import json
import threading
import time

from wasmtime import Config, Engine, Store, WasiConfig, WasmtimeError
from wasmtime.component import Component, Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant

import fast_bytes
import imports
import json_text
from errors import EndOfCall, ToolError, call_time_is_up

POD, EXCHANGE = 1, 2
MEMORY = 512 << 20

PACKAGE = "pod:tools/{}@0.1.0"
# What a function gives to the component. wasmtime's values carry a tag only where the type of the value alone
# does not tell success from failure.
VALUE, TAGGED, INFALLIBLE = "value", "tagged", "infallible"
FUNCTIONS = {
    "pods": {
        "[method]pod.describe": (imports.describe, INFALLIBLE),
        "[method]pod.state": (imports.state, VALUE),
        "[method]pod.cursor": (imports.cursor, TAGGED),
        "[method]pod.set-cursor": (imports.set_cursor, VALUE),
        "find": (imports.find, VALUE),
        "list": (imports.list_pods, TAGGED),
        "forget": (imports.forget, VALUE),
        "spawned-by": (imports.spawned_by, TAGGED),
        "bounds": (imports.bounds, INFALLIBLE),
    },
    "unix-socket": {
        "[method]exchange.read": (imports.read, VALUE),
        "open": (imports.open_exchange, VALUE),
        "await-any": (imports.await_any, TAGGED),
        "probe": (imports.probe, VALUE),
        "await-closed": (imports.await_closed, VALUE),
    },
    "content": {
        "append": (imports.append, INFALLIBLE),
    },
    "scope-lock": {
        "release": (imports.release, VALUE),
        "reclaim-stale": (imports.reclaim_stale, VALUE),
    },
}
RESOURCES = {"pods": ("pod", POD), "unix-socket": ("exchange", EXCHANGE)}
fast_bytes.install()


class Plugin:
    """A loaded component. Every call gets an instance of its own, and nothing of it survives the call."""

    def __init__(self, path):
        config = Config()
        config.epoch_interruption = True
        self._engine = Engine(config)
        self._component = Component.from_file(self._engine, path)
        self._linker = Linker(self._engine)
        self._linker.add_wasip2()
        self._linker.allow_shadowing = True
        self._call = None
        with self._linker.root() as root:
            with root.add_instance(PACKAGE.format("types")):
                pass
            for interface, functions in FUNCTIONS.items():
                with root.add_instance(PACKAGE.format(interface)) as instance:
                    if interface in RESOURCES:
                        name, kind = RESOURCES[interface]
                        instance.add_resource(name, ResourceType.host(kind), self._drop)
                    for name, (function, way) in functions.items():
                        instance.add_func(name, self._import(function, way))
            for name in self._component.type.imports(self._engine):
                if name.startswith("wasi:clocks/monotonic-clock@"):
                    with root.add_instance(name) as instance:
                        _stop_the_clock(instance)

    def call(self, call, tool, input_json):
        """The tool's output; ToolError where it failed."""
        store = Store(self._engine)
        # An empty context: no arguments, no environment, no directory, no network.
        store.set_wasi(WasiConfig())
        store.set_limits(memory_size=MEMORY, table_elements=20_000, instances=16, tables=16, memories=16)
        store.set_epoch_deadline(1)
        watchdog = threading.Timer(call.deadline - time.monotonic(), self._engine.increment_epoch)
        watchdog.start()
        self._call = call
        try:
            instance = self._linker.instantiate(store, self._component)
            tools = instance.get_export_index(store, PACKAGE.format("tools"))
            function = instance.get_func(store, instance.get_export_index(store, "call", tools))
            answer = function(store, tool, input_json)
        except EndOfCall as end:
            raise end.error from end
        except WasmtimeError as error:
            if time.monotonic() >= call.deadline:
                raise call_time_is_up(call.limits.call_timeout) from error
            cause = str(error).strip().splitlines()[-1].strip()
            raise ToolError("internal", None, f"the plugin failed: {cause}") from error
        except Exception as error:
            raise ToolError(
                "internal", None, f"the host failed in the middle of a call: {error!r}"
            ) from error
        finally:
            watchdog.cancel()
            # So that it cannot fire into the next call.
            watchdog.join()
            for held in call.handles.values():
                if isinstance(held, imports.Exchange):
                    held.close()
        if answer.tag == "err":
            raise ToolError(answer.payload.kind, answer.payload.reason, answer.payload.message)
        output = answer.payload
        if call.content:
            output.content = "".join(call.content) + (output.content or "")
        return output

    def _import(self, function, way):
        def run(store, *arguments):
            try:
                value = _lower(
                    self._call, function(self._call, *(self._lift(store, one) for one in arguments))
                )
                return Variant("ok", value) if way is TAGGED else value
            except ToolError as error:
                if way is INFALLIBLE:
                    raise EndOfCall(error) from error
                value = _record(kind=error.kind, reason=error.reason, message=error.message)
                return Variant("err", value) if way is TAGGED else value

        return run

    def _lift(self, store, value):
        """What a handle stands for, also within a list. Asking a borrowed one for its number gives it back."""
        if isinstance(value, ResourceAny):
            return self._call.handles[value.to_host(store).rep]
        return [self._lift(store, one) for one in value] if isinstance(value, list) else value

    def _drop(self, _store, handle):
        held = self._call.handles.pop(handle, None)
        if isinstance(held, imports.Exchange):
            held.close()
            self._call.exchanges -= 1


def _stop_the_clock(instance):
    """The clock of WASI, standing still: nothing ends a sleep inside wasmtime, not even the end of the call."""

    def no_sleep(_store, _when):
        raise EndOfCall(
            ToolError("internal", None, "the plugin wants to sleep, and this host has no clock for it")
        )

    instance.add_func("now", lambda _store: 0)
    instance.add_func("resolution", lambda _store: 1_000_000_000)
    instance.add_func("subscribe-instant", no_sleep)
    instance.add_func("subscribe-duration", no_sleep)


def _lower(call, value):
    """A dict is a record, an object of ours a handle to it."""
    if isinstance(value, dict):
        return _record(**{name: _lower(call, member) for name, member in value.items()})
    if isinstance(value, list):
        return [_lower(call, one) for one in value]
    if isinstance(value, (imports.Pod, imports.Exchange)):
        handle = call.next_handle
        call.next_handle += 1
        call.handles[handle] = value
        return ResourceHost.own(handle, POD if isinstance(value, imports.Pod) else EXCHANGE)
    return value


def _record(**members):
    record = Record()
    for name, value in members.items():
        setattr(record, name.replace("_", "-"), value)
    return record


def render(output):
    """An output as a line. The plugin's data is read and written anew: it may hold line breaks, or be no JSON."""
    try:
        answer = {"summary": output.summary, "content": output.content, "data": json_text.parse(output.data)}
        return json.dumps({"ok": answer}, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise ToolError("internal", None, f"the plugin's data is not JSON: {error}") from error
