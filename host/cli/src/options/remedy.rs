//! Which option changes what an error is about: the words that follow the error's message.

use pod_tools_host::{Setting, ToolError};

/// The remedy for an error that is about that setting.
pub fn remedy(setting: Setting) -> &'static str {
    match setting {
        Setting::OperationTime => " (allow more with --op-timeout)",
        Setting::CallTime => " (raise it with --call-timeout)",
        Setting::CpuTime => " (raise it with --cpu-time)",
        Setting::Memory => " (raise it with --memory)",
        Setting::TableElements => " (raise it with --table-elements)",
        Setting::Instances => " (raise it with --instances)",
        Setting::HostCalls => " (raise it with --host-calls)",
        Setting::Handles => " (raise it with --handles)",
        Setting::Exchanges => " (raise it with --exchanges)",
        Setting::Line => " (raise it with --max-line)",
        Setting::Transfer => " (raise it with --max-transfer)",
        Setting::Data => " (raise it with --max-data)",
        Setting::LoadTime => " (raise it with --load-timeout)",
        Setting::ComponentSize => " (raise it with --max-component)",
        Setting::CompilerMemory => " (raise it with --compiler-memory)",
        Setting::AllowedSockets => " (grant one with --allow-sockets)",
        Setting::RuntimeDir => "; name an existing one with --runtime-dir or --spawner",
        Setting::ScopeLock => ", or name another file with --scope-lock",
        // One of a later version of the library.
        _ => "",
    }
}

/// An error of the library, with its remedy.
pub fn explained(error: impl Into<ToolError>) -> ToolError {
    error.into().with_remedy(remedy)
}
