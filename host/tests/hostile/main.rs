//! Plugins that were written to break out, and what the host makes of them.
//!
//! The plugins are in `tests/hostile`; each attack has a test of its name here, which reads as "a plugin that
//! …", and [`Attack::run`](attack::Attack::run) checks after each that the host is as it was.
//!
//! | attack | ends in |
//! |---|---|
//! | endless loop, host-call flood, log flood | `limit`: CPU time, host calls |
//! | endless sleep, endless wait for a pod | `timeout` |
//! | memory, tables, instances, handles | `limit`, which names it |
//! | endless recursion | `internal` |
//! | too many exchanges | a value of kind `limit`, for the plugin to go on with |
//! | gigantic arguments and results | `limit`: transfer |
//! | results that are none, forged and dropped handles, traps and exits | `internal` |
//! | what was not granted, living pods | a value: `denied`, `still-running` |
//! | files, environment, clocks | nothing is there |
//! | imports that the host does not have | it is not loaded |

mod ambient;
mod arguments;
mod attack;
mod authority;
mod connections;
mod exhaustion;
mod handles;
mod process;
mod raw;
mod results;
mod state;
mod traps;

/// An attack without a test does not compile.
macro_rules! each_is_tested {
    ($($module:ident { $($attack:ident)* })*) => {
        $($(const _: fn() = $module::$attack;)*)*
    };
}
pod_tools_hostile::attacks!(each_is_tested);

macro_rules! each_raw_one_is_tested {
    ($($attack:ident)*) => { $(const _: fn() = raw::$attack;)* };
}
pod_tools_hostile::raw_attacks!(each_raw_one_is_tested);
