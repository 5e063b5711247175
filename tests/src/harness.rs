//! The cases as tests of a Rust host's own `cargo test`: a test a case, by the case's id.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases;
use crate::failure::Failure;
use crate::host::HostCommand;
use crate::profile::Profile;
use crate::run::{Status, hindrance, run_case};
use crate::trial::Setting;

/// Runs the cases as `cargo test` asks; [`conformance!`](crate::conformance) makes a `main` of it.
///
/// A case that cannot be run here is shown as ignored, with the reason; asked for it all the same
/// (`--include-ignored`), it fails: it never counts as passed.
pub fn main(command: HostCommand, profile: &Profile) -> ExitCode {
    let args = Arguments::from_args();
    let setting = Setting::new(command);
    let tests = cases::all().map(|case| {
        let hindrance = hindrance(case, profile);
        let kind = hindrance.as_ref().map(|(status, reason)| format!("{}: {reason}", status.word()));
        let (setting, profile) = (setting.clone(), profile.clone());
        let test = Trial::test(case.id, move || {
            let outcome = run_case(case, &setting, &profile);
            match (outcome.status, outcome.failure, outcome.reason) {
                (Status::Passed, ..) => Ok(()),
                (_, Some((Failure { expected, came }, transcript)), _) => Err(Failed::from(format!(
                    "{}\nexpected  {expected}\ncame      {came}\n{transcript}",
                    case.about
                ))),
                (status, None, reason) => {
                    Err(Failed::from(format!("{}: {}", status.word(), reason.unwrap_or_default())))
                }
            }
        });
        test.with_ignored_flag(hindrance.is_some()).with_kind(kind.unwrap_or_default())
    });
    libtest_mimic::run(&args, tests.collect()).exit_code()
}

/// Makes a test a case of a whole test target of a Rust host, which declares `harness = false`:
///
/// ```toml
/// [[test]]
/// name = "conformance"
/// harness = false
/// ```
///
/// The host is a command that takes JSON lines; the profile, which may be left out, the path of a file as
/// [`Profile`] describes it.
///
/// ```
/// # mod test_target { macro_rules! env { ($name:literal) => { "my-host" } }
/// pod_tools_conformance::conformance! {
///     command: [env!("CARGO_BIN_EXE_my-host"), "call", "--batch"],
///     profile: "tests/host-profile.json",
/// }
/// # }
/// ```
#[macro_export]
macro_rules! conformance {
    (command: [$program:expr $(, $arg:expr)* $(,)?] $(, profile: $profile:expr)? $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            #[allow(unused_mut, reason = "there may be no profile")]
            let mut profile = $crate::Profile::default();
            $(
                profile = match $crate::Profile::read(::std::path::Path::new($profile)) {
                    Ok(profile) => profile,
                    Err(error) => {
                        eprintln!("{error}");
                        return ::std::process::ExitCode::from(2);
                    }
                };
            )?
            let args: [&str; <[&str]>::len(&[$($arg),*])] = [$($arg),*];
            $crate::harness::main($crate::HostCommand::new($program, args), &profile)
        }
    };
}
