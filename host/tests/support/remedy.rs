//! An embedder's remedies: each names its setting, so that a test sees which one an error is about.

use pod_tools_host::Setting;

pub fn remedy(setting: Setting) -> &'static str {
    match setting {
        Setting::OperationTime => " (set operation time)",
        Setting::CallTime => " (set call time)",
        Setting::CpuTime => " (set CPU time)",
        Setting::Memory => " (set memory)",
        Setting::TableElements => " (set table elements)",
        Setting::Instances => " (set instances)",
        Setting::HostCalls => " (set host calls)",
        Setting::Handles => " (set handles)",
        Setting::Exchanges => " (set exchanges)",
        Setting::Line => " (set line)",
        Setting::Transfer => " (set transfer)",
        Setting::Data => " (set data)",
        Setting::AllowedSockets => " (set allowed sockets)",
        Setting::RuntimeDir => " (set runtime directory)",
        Setting::ScopeLock => " (set scope lock)",
        _ => " (set something else)",
    }
}
