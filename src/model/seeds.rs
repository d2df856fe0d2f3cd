//! Seeds of random numbers, each of which follows from others: of a run, a step, a segment, an operation.

/// A well-spread 64-bit number from two others: the finalizer of SplitMix64.
pub fn mixed(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Seeds one after the other, from one.
pub struct Seeds {
    from: u64,
    drawn: u64,
}

impl Seeds {
    pub fn from(seed: u64) -> Seeds {
        Seeds { from: seed, drawn: 0 }
    }

    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        mixed(self.from, self.drawn)
    }
}
