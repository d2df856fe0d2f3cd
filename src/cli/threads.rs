//! How the threads of libtorch wait for one another.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Read by the runtime of libtorch's threads, once and before `main`.
const VARIABLES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Has threads that wait sleep, unless the user has said how they should wait. As it comes, the runtime has them spin: with
/// another program on the machine, or another pool of threads in this one, they take the processor from whom they wait for,
/// and a step takes five times as long. On a machine that is free sleeping costs nothing that could be measured.
///
/// It takes the process's place by the same program with that said; where this cannot be done, things go on as they are.
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
