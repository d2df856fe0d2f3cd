//! Physical memory and address space of this process, from Linux.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Resident bytes; `None` if the system does not report them.
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Peak of the resident bytes since the process began, or since [`forget_peak`].
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Resets the peak. Returns whether the system did so.
pub fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Bytes of the address space that this process may use (`ulimit -v`), and those that it uses; `None` without a limit.
pub fn address_space() -> Option<(u64, u64)> {
    Some((getrlimit(Resource::As).current?, field("VmSize:")?))
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_is_resident() {
        let before = resident().unwrap();
        let touched = vec![1u8; 64 << 20];
        let now = resident().unwrap();
        assert!(now >= before + (48 << 20), "{before}, then {now}");
        assert!(peak().unwrap() >= now);
        drop(touched);
    }
}
