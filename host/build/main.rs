//! Compiles components and nothing else, for who reproduces them: `tests/reproducible.sh` builds and runs it.
//!
//!     components WORKSPACE TARGET-DIRECTORY PACKAGE…

use std::env;
use std::path::PathBuf;

#[allow(dead_code)]
mod component;

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(workspace), Some(target_dir)) = (arguments.next(), arguments.next()) else {
        panic!("usage: components WORKSPACE TARGET-DIRECTORY PACKAGE…");
    };
    for package in arguments {
        component::compile(&workspace, &package.to_string_lossy(), &target_dir);
    }
}
