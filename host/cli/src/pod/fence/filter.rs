//! The filter of system calls: the ways around a root directory of one's own and around Landlock.
//!
//! | call | why it fails |
//! |---|---|
//! | `open_by_handle_at` | opens a file by its number in the file system, without a path |
//! | `unshare`, `clone`, `setns` | namespaces of users, in which a process has all capabilities |
//! | `add_key`, `request_key`, `keyctl` | the keys of the user, which are in no file |
//! | `prlimit64` | of another process of the user: one that may compute no more is killed |
//! | `userfaultfd`, `bpf`, `perf_event_open` | look into the kernel, and nothing here needs them |
//! | `socket` | but of Unix, IPv4, IPv6 and routing; of MPTCP, SCTP and SMC, which Landlock takes for no TCP |
//! | `sendto`, `sendmsg`, `sendmmsg` | with data in TCP's first packet: connects without Landlock being asked |
//! | `clone3`, `io_uring_setup` | a filter cannot see what they are asked for; programs do without |

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// A filter that the kernel can run.
#[derive(Clone, Debug)]
pub struct Filter(BpfProgram);

type Fault = seccompiler::BackendError;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// All of them; each that refuses wins. Fails where they are not known for this processor.
pub fn all() -> Result<Vec<Filter>, Fault> {
    Ok(vec![filter(refused()?, libc::EPERM)?, filter(unknown(), libc::ENOSYS)?])
}

impl Filter {
    /// Has this thread, and all that it starts, keep to it.
    pub fn apply(&self) -> io::Result<()> {
        apply_filter(&self.0).map_err(|error| match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
            _ => io::ErrorKind::InvalidInput.into(),
        })
    }
}

fn filter(rules: Rules, errno: i32) -> Result<Filter, Fault> {
    let processor = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(with_other_numbers(rules), SeccompAction::Allow, refuse, processor)?;
    Ok(Filter(filter.try_into()?))
}

/// Calls for which the kernel is as one that does not have them: programs then use others.
fn unknown() -> Rules {
    [libc::SYS_clone3, libc::SYS_io_uring_setup].map(|call| (call, Vec::new())).into()
}

fn refused() -> Result<Rules, Fault> {
    let whole = [
        libc::SYS_open_by_handle_at,
        libc::SYS_setns,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_userfaultfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
    ];
    let mut rules: Rules = whole.map(|call| (call, Vec::new())).into();
    let has = |argument, bits: i32| {
        let bits = u64::from(bits.unsigned_abs());
        SeccompRule::new(vec![is(argument, SeccompCmpOp::MaskedEq(bits), bits)?])
    };
    for call in [libc::SYS_unshare, libc::SYS_clone] {
        rules.insert(call, vec![has(0, libc::CLONE_NEWUSER)?]);
    }
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        rules.insert(call, vec![has(flags, libc::MSG_FASTOPEN)?]);
    }
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is(0, SeccompCmpOp::Ne, 0)?])?]);
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let others = families.map(|family| is(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs())));
    let mut sockets = vec![SeccompRule::new(others.into_iter().collect::<Result<_, _>>()?)?];
    for protocol in [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP] {
        sockets.push(SeccompRule::new(vec![
            is(0, SeccompCmpOp::Ne, u64::from(libc::AF_NETLINK.unsigned_abs()))?,
            is(2, SeccompCmpOp::Eq, u64::from(protocol.unsigned_abs()))?,
        ])?);
    }
    // SMC as a protocol of IPv4 and IPv6.
    sockets.push(SeccompRule::new(vec![is(2, SeccompCmpOp::Eq, 256)?])?);
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}

fn is(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Fault> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

/// On x86-64 there are the calls a second time, by numbers with this bit, where the kernel has that (x32).
fn with_other_numbers(rules: Rules) -> Rules {
    if !cfg!(target_arch = "x86_64") {
        return rules;
    }
    let others: Rules = rules.iter().map(|(call, rules)| (call | 1 << 30, rules.clone())).collect();
    rules.into_iter().chain(others).collect()
}
