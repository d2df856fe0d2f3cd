//! The memory of a device, by who uses it.

use tch::Device;

use super::report::DeviceMemory;
use crate::device::{self, shim};
use crate::system::{self, resident};

/// The memory of a device now; `None` if the system does not report it.
pub fn device_memory(device: Device) -> Option<DeviceMemory> {
    let Some(gpu) = device::gpu(device) else {
        let machine = system::machine().ok()?;
        let (total, free) = (machine.memory_total, machine.memory_available);
        let own = resident::resident().unwrap_or(0).min(total - free);
        let memory = DeviceMemory { name: "CPU".into(), total, free, own };
        return Some(match resident::address_space() {
            Some((limit, used)) => memory.within_address_space(limit, used),
            None => memory,
        });
    };
    let gpu = system::gpu_now(&gpu)?;
    let free = gpu.memory_total.saturating_sub(gpu.memory_used);
    // Within a container the driver may not say which processes are whose.
    let own = gpu.process_memory.or_else(|| reserved(device)).unwrap_or(0).min(gpu.memory_total - free);
    Some(DeviceMemory { name: gpu.name, total: gpu.memory_total, free, own })
}

impl DeviceMemory {
    /// Where less address space is left than memory, it is what runs out.
    fn within_address_space(self, limit: u64, used: u64) -> DeviceMemory {
        let left = limit.saturating_sub(used);
        if left >= self.free {
            return self;
        }
        DeviceMemory { name: "address space (ulimit -v)".into(), total: limit, free: left, own: limit - left }
    }
}

/// What libtorch's allocator holds of a GPU.
fn reserved(device: Device) -> Option<u64> {
    let Device::Cuda(index) = device else { return None };
    u64::try_from(shim::device_memory(index).ok()?.reserved).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_machines_memory_add_up() {
        let memory = device_memory(Device::Cpu).unwrap();
        assert!(memory.own > 0 || cfg!(not(target_os = "linux")), "{memory:?}");
        assert_eq!(memory.own + memory.others() + memory.free, memory.total);
        assert_eq!(memory.available(), memory.own + memory.free);
    }

    #[test]
    fn a_limit_of_the_address_space_counts_where_it_is_reached_first() {
        let memory = DeviceMemory { name: "CPU".into(), total: 16, free: 8, own: 2 };
        assert_eq!(memory.clone().within_address_space(20, 10), memory);
        let limited = memory.clone().within_address_space(10, 7);
        assert_eq!((limited.total, limited.own, limited.free, limited.others()), (10, 7, 3, 0));
        assert_eq!(memory.within_address_space(5, 7).free, 0);
    }
}
