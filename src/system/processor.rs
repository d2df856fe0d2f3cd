//! The vector and matrix instructions that decide how fast a processor takes a step.

/// Those that this processor has and the system enables, by the names that their vendors give them.
pub fn instruction_sets() -> Vec<&'static str> {
    detected().into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "x86_64")]
fn detected() -> [(&'static str, bool); 4] {
    [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("AVX-512F", is_x86_feature_detected!("avx512f")),
        ("AVX512-BF16", is_x86_feature_detected!("avx512bf16")),
        ("AMX-BF16", has_amx_bf16()),
    ]
}

#[cfg(target_arch = "aarch64")]
fn detected() -> [(&'static str, bool); 4] {
    use std::arch::is_aarch64_feature_detected;
    [
        ("NEON", is_aarch64_feature_detected!("neon")),
        ("SVE", is_aarch64_feature_detected!("sve")),
        ("BF16", is_aarch64_feature_detected!("bf16")),
        ("I8MM", is_aarch64_feature_detected!("i8mm")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> [(&'static str, bool); 0] {
    []
}

/// The standard library does not detect AMX in stable Rust. The processor has to have it, and the system to save its tiles.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "newer releases of Rust than the oldest supported one have it safe")]
fn has_amx_bf16() -> bool {
    use std::arch::x86_64::{__cpuid_count, _xgetbv};
    const AMX_BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    const TILE_STATES: u64 = 1 << 17 | 1 << 18;
    // Every processor with AMX has AVX-512, whose detection makes sure that leaf 7 and XGETBV are there.
    if !is_x86_feature_detected!("avx512f") {
        return false;
    }
    // SAFETY: see above.
    let (features, saved) = unsafe { (__cpuid_count(7, 0).edx, _xgetbv(0)) };
    features & AMX_BF16_AND_TILE == AMX_BF16_AND_TILE && saved & TILE_STATES == TILE_STATES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_are_those_that_the_system_lists() {
        let sets = instruction_sets();
        if cfg!(target_arch = "aarch64") {
            assert!(sets.contains(&"NEON"), "{sets:?}");
        }
        let Ok(listed) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        let Some(flags) = listed.lines().find(|line| line.starts_with("flags")) else { return };
        for (name, flag) in
            [("AVX2", "avx2"), ("AVX-512F", "avx512f"), ("AVX512-BF16", "avx512_bf16"), ("AMX-BF16", "amx_bf16")]
        {
            let has = flags.split_whitespace().any(|found| found == flag);
            assert_eq!(sets.contains(&name), has, "{name}: {flags}");
        }
    }
}
