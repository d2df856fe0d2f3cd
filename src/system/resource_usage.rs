//! What the system has spent on this process: page faults and processor time.

use std::mem::MaybeUninit;
use std::ops::Sub;
use std::time::Duration;

/// A reading since the process began, of all its threads; or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceUsage {
    /// Pages that the system gave the process when it touched them first.
    pub minor_faults: u64,
    /// Pages that were read from a disk.
    pub major_faults: u64,
    /// Processor time in the program.
    pub user: Duration,
    /// Processor time in the system: page faults and system calls.
    pub system: Duration,
}

impl ResourceUsage {
    /// The usage so far.
    pub fn now() -> ResourceUsage {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is valid for a struct of that type, for which zeroes are valid.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        let time = |time: libc::timeval| {
            let (seconds, micros) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec));
            Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
        };
        ResourceUsage {
            minor_faults: count(usage.ru_minflt),
            major_faults: count(usage.ru_majflt),
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
        }
    }

    /// Processor time, both kinds together.
    pub fn processor(&self) -> Duration {
        self.user + self.system
    }
}

/// Readings of one process only grow, but for times, which the kernel estimates.
impl Sub for ResourceUsage {
    type Output = ResourceUsage;

    fn sub(self, before: ResourceUsage) -> ResourceUsage {
        ResourceUsage {
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_touched_first_are_faults() {
        let before = ResourceUsage::now();
        // Memory from the system itself: an allocator may have pages left.
        let pages = 256;
        let mut map = memmap2::MmapMut::map_anon(pages << 12).unwrap();
        map.iter_mut().step_by(1 << 12).for_each(|byte| *byte = 1);
        let spent = ResourceUsage::now() - before;
        // Pages may be larger than 4 KiB: 64 KiB at most.
        assert!(spent.minor_faults >= pages as u64 / 16, "{spent:?}");
        assert_eq!(ResourceUsage::default() - spent, ResourceUsage::default());
    }
}
