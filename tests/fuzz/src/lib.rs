//! The code that the targets run: files of the library and of the command line, by their paths.
//!
//! Of the library it is the rooms up to `authority`, which need no wasmtime: so the targets are built in a minute, and
//! nothing is made public for their sake. Of the command line, which is a binary, it is the files that read what others
//! wrote.
#![allow(dead_code, unused_imports, missing_docs, reason = "a part of it is enough here")]

// The command line calls the library by its name.
extern crate self as pod_tools_host;

pub mod memory;

#[path = "../../../host/src/authority/mod.rs"]
mod authority;
#[path = "../../../host/src/error.rs"]
mod error;
#[path = "../../../host/src/escape.rs"]
pub mod escape;
#[path = "../../../host/src/files/mod.rs"]
mod files;
#[path = "../../../host/src/registry/mod.rs"]
pub mod registry;
#[path = "../../../host/src/scope/mod.rs"]
pub mod scope;
#[path = "../../../host/src/sockets/mod.rs"]
mod sockets;

pub use authority::grant::{Grant, GrantParseError, Verb};
pub use authority::grants::Grants;
pub use authority::limits::Limits;
pub use error::{ErrorKind, Reason, Remedy, Setting, ToolError};
pub use files::state_file::open_with_exposure;

#[path = "../../../host/src/gateway"]
pub mod gateway {
    mod frame;
    #[path = "../../../tests/fuzz/properties/gateway_frame.rs"]
    pub mod frame_properties;
}

#[path = "../../../host/src/runtime"]
pub mod runtime {
    mod data;
    #[path = "../../../tests/fuzz/properties/data.rs"]
    pub mod data_properties;
    mod definition;
    #[path = "../../../tests/fuzz/properties/definitions.rs"]
    pub mod definitions_properties;
    mod schema;
}

/// The contract's types, as far as the files above name them: in the library they are made by wasmtime.
mod imports {
    pub mod bindings {
        pub mod pod {
            pub mod tools {
                pub mod pods {
                    #[derive(Debug, Clone, Copy)]
                    pub enum Verb {
                        List,
                        Send,
                        Read,
                        Stop,
                    }

                    #[derive(Debug, Clone)]
                    pub struct Cursor {
                        pub items: u64,
                        pub digest: String,
                    }

                    #[derive(Clone, Copy)]
                    pub enum State {
                        Unknown,
                    }

                    pub enum Permission {
                        Read,
                        Write,
                    }

                    pub struct ScopeRule {
                        pub target: String,
                        pub permission: Permission,
                        pub recursive: bool,
                    }

                    pub struct Description {
                        pub name: String,
                        pub scope: Vec<ScopeRule>,
                        pub fence: Option<Fence>,
                    }

                    #[derive(Clone, Copy)]
                    pub enum Held {
                        Whole,
                    }

                    pub struct Fence {
                        pub held: Held,
                        pub missing: Vec<String>,
                    }
                }

                pub mod types {
                    pub use crate::{ErrorKind, Reason};

                    pub struct Error {
                        pub kind: ErrorKind,
                        pub reason: Option<Reason>,
                        pub message: String,
                    }
                }

                pub mod unix_socket {
                    #[derive(Clone, Copy)]
                    pub enum Reachability {
                        Alive,
                    }

                    #[derive(Debug, Clone)]
                    pub enum Request {
                        Run(String),
                        GetHistory,
                        Shutdown,
                    }
                }
            }
        }

        pub mod exports {
            pub mod pod {
                pub mod tools {
                    pub mod tools {
                        pub struct Effects {
                            pub read_only: bool,
                            pub destructive: bool,
                            pub idempotent: bool,
                        }

                        pub struct Definition {
                            pub name: String,
                            pub description: String,
                            pub input_schema: String,
                            pub data_schema: String,
                            pub content_property: Option<String>,
                            pub effects: Effects,
                        }
                    }
                }
            }
        }
    }
}

#[path = "../../../host/cli/src/alike.rs"]
mod alike;
#[path = "../../../host/cli/src/escaped.rs"]
mod escaped;
#[path = "../../../host/cli/src/grants_file/mod.rs"]
pub mod grants_file;
#[path = "../../../host/cli/src/inherited.rs"]
mod inherited;
#[path = "../../../host/cli/src/input_lines.rs"]
pub mod input_lines;
#[path = "../../../host/cli/src/limit_options.rs"]
mod limit_options;
#[path = "../../../host/cli/src/operator_log.rs"]
mod operator_log;
#[path = "../../../host/cli/src/places.rs"]
mod places;
#[path = "../../../host/cli/src/streams.rs"]
mod streams;
#[path = "../../../host/cli/src/token.rs"]
mod token;
#[path = "../../../host/cli/src/units.rs"]
mod units;

#[path = "../../../host/cli/src/mcp"]
pub mod mcp {
    pub mod frame;
    #[path = "../../../../tests/fuzz/properties/frame.rs"]
    pub mod frame_properties;
    pub mod ids;

    pub mod http {
        pub mod accept;
        pub mod address;
        pub mod bearer;
        pub mod cors;
        #[path = "../../../../../tests/fuzz/properties/http_head.rs"]
        pub mod head_properties;
        pub mod origin;
    }
}

#[path = "../properties/grants_file.rs"]
pub mod grants_file_properties;
#[path = "../properties/journal.rs"]
pub mod journal_properties;
#[path = "../properties/read_cursors.rs"]
pub mod read_cursors_properties;
#[path = "../properties/registry.rs"]
pub mod registry_properties;
