//! The list of attempts, and what they are about.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::{files, kernel, processes, sockets};

/// An attempt; it has succeeded where it fails with no error.
pub type Attempt = fn(&Places) -> io::Result<()>;

/// Where things are.
pub struct Places(BTreeMap<String, String>);

impl Places {
    pub fn of(arguments: impl Iterator<Item = String>) -> Places {
        let pair = |argument: String| {
            argument.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        Places(arguments.filter_map(pair).collect())
    }

    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no `{key}`"))
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.text(key).into()
    }

    pub fn number<N: std::str::FromStr>(&self, key: &str) -> N {
        self.text(key).parse().unwrap_or_else(|_| panic!("`{key}` is no number"))
    }

    /// A name in the scope, that is free.
    pub fn within(&self, name: &str) -> PathBuf {
        self.path("scope").join(name)
    }

    /// What is outside of the scope.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.path("outside").join(name)
    }
}

/// What an attempt that got nothing says.
pub fn nothing(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

/// Succeeds where the call did.
pub fn done(result: impl TryInto<i64>) -> io::Result<i64> {
    match result.try_into() {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

pub const ALL: &[(&str, Attempt)] = &[
    ("reads_by_an_absolute_path", files::reads_by_an_absolute_path),
    ("reads_by_dot_dot", files::reads_by_dot_dot),
    ("reads_by_a_link_that_it_made", files::reads_by_a_link_that_it_made),
    ("reads_by_a_link_that_it_found", files::reads_by_a_link_that_it_found),
    ("reads_by_its_own_root", files::reads_by_its_own_root),
    ("reads_by_its_working_directory", files::reads_by_its_working_directory),
    ("lists_a_directory", files::lists_a_directory),
    ("asks_whether_a_file_is_there", files::asks_whether_a_file_is_there),
    ("runs_a_program", files::runs_a_program),
    ("writes_a_file", files::writes_a_file),
    ("makes_a_file", files::makes_a_file),
    ("makes_a_directory", files::makes_a_directory),
    ("truncates_a_file", files::truncates_a_file),
    ("removes_a_file", files::removes_a_file),
    ("changes_a_mode", files::changes_a_mode),
    ("changes_an_owner", files::changes_an_owner),
    ("changes_times", files::changes_times),
    ("links_a_file_into_its_scope", files::links_a_file_into_its_scope),
    ("renames_a_file_into_its_scope", files::renames_a_file_into_its_scope),
    ("renames_its_scope_away", files::renames_its_scope_away),
    ("opens_a_file_by_its_number", files::opens_a_file_by_its_number),
    ("reads_the_directory_of_a_pod", files::reads_the_directory_of_a_pod),
    ("lies_about_its_own_state", files::lies_about_its_own_state),
    ("opens_the_scope_lock", files::opens_the_scope_lock),
    ("opens_the_lock_of_its_life_to_write", files::opens_the_lock_of_its_life_to_write),
    ("changes_the_mode_of_the_lock_of_its_life", files::changes_the_mode_of_the_lock_of_its_life),
    ("reads_the_registry_of_the_operator", files::reads_the_registry_of_the_operator),
    ("writes_to_the_cache_of_compiled_code", files::writes_to_the_cache_of_compiled_code),
    ("signals_the_pod", processes::signals_the_pod),
    ("signals_its_supervisor", processes::signals_its_supervisor),
    ("limits_the_pod", processes::limits_the_pod),
    ("traces_its_supervisor", processes::traces_its_supervisor),
    ("reads_the_memory_of_the_pod", processes::reads_the_memory_of_the_pod),
    ("reads_the_environment_of_the_pod", processes::reads_the_environment_of_the_pod),
    ("reads_by_the_root_of_the_pod", processes::reads_by_the_root_of_the_pod),
    ("takes_a_descriptor_of_the_pod", processes::takes_a_descriptor_of_the_pod),
    ("enters_the_mounts_of_the_pod", processes::enters_the_mounts_of_the_pod),
    ("reads_from_a_session_of_its_own", processes::reads_from_a_session_of_its_own),
    ("connects_to_another_pod", sockets::connects_to_another_pod),
    ("connects_to_a_service", sockets::connects_to_a_service),
    ("connects_to_an_abstract_socket", sockets::connects_to_an_abstract_socket),
    ("connects_by_tcp", sockets::connects_by_tcp),
    ("connects_by_mptcp", sockets::connects_by_mptcp),
    ("connects_by_data_in_the_first_packet", sockets::connects_by_data_in_the_first_packet),
    ("listens_by_tcp", sockets::listens_by_tcp),
    ("sends_by_udp", sockets::sends_by_udp),
    ("mounts_a_file_system", kernel::mounts_a_file_system),
    ("mounts_a_directory_into_its_scope", kernel::mounts_a_directory_into_its_scope),
    ("makes_namespaces_of_its_own", kernel::makes_namespaces_of_its_own),
    ("changes_its_root", kernel::changes_its_root),
    ("makes_a_device", kernel::makes_a_device),
    ("sets_a_variable_of_the_kernel", kernel::sets_a_variable_of_the_kernel),
    ("asks_for_a_ring_of_calls", kernel::asks_for_a_ring_of_calls),
    ("asks_for_a_key_of_the_user", kernel::asks_for_a_key_of_the_user),
    ("attaches_shared_memory", kernel::attaches_shared_memory),
];
