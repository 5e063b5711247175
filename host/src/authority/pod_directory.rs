//! A pod's directory as something to watch: checked as its socket is, and nothing to read or write through.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::Authority;
use super::operation::Operation;
use crate::error::ToolError;
use crate::files::state_file;
use crate::registry::unknown_pod;

/// The directory of one pod, held open, so that its change notifications can be asked for.
///
/// The descriptor can do nothing else (`O_PATH`). It stays with the directory that was checked, whatever is
/// put in its place later.
#[derive(Debug)]
pub struct PodDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl PodDirectory {
    /// A path that leads to the directory for as long as this value lives: by way of the descriptor on Linux,
    /// and elsewhere the path of the pod's record.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells one directory from another, and from one that came later in its place: device and inode.
    ///
    /// # Errors
    ///
    /// Fails where the system cannot say.
    pub fn identity(&self) -> std::io::Result<(u64, u64)> {
        Ok(state_file::identity(&rustix::fs::fstat(&self.descriptor)?))
    }

    /// Whether the directory has been removed; the pod may have made another one since.
    pub fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

impl AsFd for PodDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Authority {
    /// The directory in which the pod of that name keeps its socket, its state and its history, to be watched
    /// for changes. `None`: it is not there, as the pod is stopped. Needs a `read` grant for the pod, and a
    /// directory that lies beneath a granted one, with no symbolic link on the way.
    ///
    /// # Errors
    ///
    /// Fails with kind `denied` where the grant is missing or the directory fails a check, with
    /// `unknown-pod`, `registry-damaged` or `descriptors-exhausted`.
    pub fn pod_directory(&self, pod: &str) -> Result<Option<PodDirectory>, ToolError> {
        let parts = self.parts();
        let allowed = parts.check(Operation::ReadOutput, Some(pod));
        allowed.map_err(|(_, denied)| denied)?;
        let found = parts.registry.find(pod).map_err(|error| parts.explain(error.into()))?;
        let record = found.ok_or_else(|| unknown_pod(pod))?;
        let socket = &record.socket_path;
        match parts.directories.open_directory_of(socket) {
            Ok(descriptor) => {
                let path = path_of(&descriptor, socket);
                Ok(Some(PodDirectory { descriptor, path }))
            }
            Err(lookup) => lookup.error(pod, socket).map_or(Ok(None), |error| Err(parts.explain(error))),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn path_of(descriptor: &OwnedFd, _: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn path_of(_: &OwnedFd, socket: &Path) -> PathBuf {
    socket.parent().unwrap_or(socket).to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::error::{ErrorKind, Reason};

    struct Place {
        root: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for directory in ["granted/pod", "outside/pod", "spawner"] {
                fs::create_dir_all(root.path().join(directory)).unwrap();
            }
            Self { root }
        }

        fn authority(&self, socket: &str, grant: &str) -> Authority {
            let record = serde_json::json!([{
                "pod_name": "pod",
                "socket_path": self.root.path().join(socket),
                "scope_delegated": [],
            }]);
            fs::write(self.root.path().join("spawner/spawned_pods.json"), record.to_string()).unwrap();
            Authority::builder()
                .allow_sockets(self.root.path().join("granted"))
                .runtime_dir(self.root.path().join("spawner"))
                .grant(grant.parse().unwrap())
                .build()
                .unwrap()
        }
    }

    #[test]
    fn a_readable_pods_directory_is_given_and_stays_the_one_that_was_checked() {
        let place = Place::new();
        let directory =
            place.authority("granted/pod/sock", "read:pod").pod_directory("pod").unwrap().unwrap();
        assert!(!directory.is_removed());
        fs::write(place.root.path().join("granted/pod/status.json"), "{}").unwrap();
        assert!(directory.path().join("status.json").exists());
        fs::remove_dir_all(place.root.path().join("granted/pod")).unwrap();
        fs::create_dir(place.root.path().join("granted/pod")).unwrap();
        assert!(directory.is_removed());
        let next = place.authority("granted/pod/sock", "read:pod").pod_directory("pod").unwrap().unwrap();
        assert!(!next.is_removed());
    }

    #[test]
    fn without_a_read_grant_nothing_is_told_of_any_pod() {
        let authority = Place::new().authority("granted/pod/sock", "list,send,stop");
        for name in ["pod", "nobody"] {
            let error = authority.pod_directory(name).unwrap_err();
            assert_eq!((error.kind, error.reason), (ErrorKind::Denied, Some(Reason::NotGranted)));
        }
    }

    #[test]
    fn a_directory_outside_or_behind_a_link_is_refused_and_a_missing_one_is_none() {
        let place = Place::new();
        symlink(place.root.path().join("outside"), place.root.path().join("granted/away")).unwrap();
        fs::write(place.root.path().join("granted/file"), "").unwrap();
        for socket in [
            "outside/pod/sock",
            "granted/away/sock",
            "granted/away/pod/sock",
            "granted/pod/../../outside/pod/sock",
            "granted/file/sock",
            "granted/sock",
        ] {
            let error = place.authority(socket, "read").pod_directory("pod").unwrap_err();
            assert_eq!(error.reason, Some(Reason::SocketRefused), "{socket}: {error}");
        }
        assert!(place.authority("granted/none/sock", "read").pod_directory("pod").unwrap().is_none());
        let error = place.authority("granted/pod/sock", "read").pod_directory("nobody").unwrap_err();
        assert_eq!(error.reason, Some(Reason::UnknownPod));
    }
}
