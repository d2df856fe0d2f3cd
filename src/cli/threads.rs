//! The wait policy of libtorch's OpenMP threads.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Read by the OpenMP runtime once, before `main`.
const VARIABLES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Makes waiting threads sleep, unless the user chose a policy. By default they spin: beside another program, or another thread
/// pool in this one, they take the processor from the threads they wait for, and a step takes five times as long. On an
/// otherwise idle machine, sleeping costs nothing measurable.
///
/// The policy is read before `main`, so this replaces the process by the same program with the variable set. If that fails, the
/// program continues with the default policy.
pub(super) fn sleep_while_waiting() {
    if VARIABLES.iter().all(|name| std::env::var_os(name).is_none())
        && let Ok(program) = std::env::current_exe()
    {
        let mut arguments = std::env::args_os();
        let mut command = Command::new(program);
        command.arg0(arguments.next().unwrap_or_default()).args(arguments).env(VARIABLES[0], "passive");
        let _ = command.exec();
    }
}
