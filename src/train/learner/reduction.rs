//! The flat vector of gradients on its way from a sum of this rank to that of all: a bucket at a time, while the backward pass continues
//! below, as in PyTorch's DistributedDataParallel.

use std::ops::Range;

use tch::Tensor;
use tracing::debug;

use crate::distributed::{DistributedError, Work, World};
use crate::sift::Slot;

/// Bytes of a bucket at most: DistributedDataParallel's 25 MiB.
const LARGEST: i64 = 25 << 20;

/// Bytes of a bucket at least, unless there is no more: below, an operation takes as long as one without any bytes.
const SMALLEST: i64 = 1 << 20;

/// A bucket is at most one in so many parts of all: nothing overlaps with the last one.
const PARTS: i64 = 8;

/// The slots in the order in which the backward pass completes them, in buckets that are summed at once.
#[derive(Default)]
pub(super) struct Buckets {
    buckets: Vec<Bucket>,
    /// The bucket of each slot.
    of_slots: Vec<usize>,
}

#[derive(Default)]
struct Bucket {
    slots: usize,
    components: i64,
    /// Of the flat vector.
    ranges: Vec<Range<i64>>,
}

impl Buckets {
    /// For slots whose gradients have so many bytes a component. `segment` says which segment of the network a parameter belongs to,
    /// by its name.
    pub fn new(slots: &[Slot], element_size: i64, segment: impl Fn(&str) -> usize) -> Buckets {
        let segments: Vec<usize> = slots.iter().map(|slot| segment(&slot.name)).collect();
        let mut order: Vec<usize> = (0..slots.len()).collect();
        // Stable: slots of a segment stay in their order, so that their ranges are one.
        order.sort_by_key(|&slot| std::cmp::Reverse(segments[slot]));
        let total = element_size * slots.iter().map(Slot::trained).sum::<i64>();
        let full = (total / PARTS).clamp(SMALLEST, LARGEST);
        let mut planned = Buckets { buckets: Vec::new(), of_slots: vec![0; slots.len()] };
        let mut bucket = Bucket::default();
        for (place, &number) in order.iter().enumerate() {
            planned.of_slots[number] = planned.buckets.len();
            bucket.add(&slots[number]);
            if bucket.components * element_size >= full || place + 1 == order.len() {
                planned.buckets.push(std::mem::take(&mut bucket));
            }
        }
        planned
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.buckets.len()
    }
}

impl Bucket {
    fn add(&mut self, slot: &Slot) {
        self.slots += 1;
        self.components += slot.trained();
        self.ranges.push(slot.range.clone());
        self.ranges.sort_by_key(|range| range.start);
        // Neighbours become one.
        self.ranges.dedup_by(|range, before| {
            let adjacent = before.end == range.start;
            if adjacent {
                before.end = range.end;
            }
            adjacent
        });
    }
}

/// The sum of one step's gradient over all ranks.
pub(super) struct Reduction<'a> {
    buckets: &'a Buckets,
    gradient: Tensor,
    world: &'a World,
    /// Slots of each bucket whose gradients are not complete yet.
    missing: Vec<usize>,
    /// Buckets that are being summed: the first ones, since all ranks start them in the same order.
    started: usize,
    works: Vec<Work<'a>>,
}

impl<'a> Reduction<'a> {
    /// Of the flat vector of gradients.
    pub fn new(buckets: &'a Buckets, gradient: Tensor, world: &'a World) -> Reduction<'a> {
        let missing = buckets.buckets.iter().map(|bucket| bucket.slots).collect();
        Reduction { buckets, gradient, world, missing, started: 0, works: Vec::new() }
    }

    /// Takes note that this rank's gradients of these slots are complete, and starts to sum the buckets that are.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn complete(&mut self, slots: impl Iterator<Item = usize>) -> Result<(), DistributedError> {
        slots.for_each(|slot| self.missing[self.buckets.of_slots[slot]] -= 1);
        while self.missing.get(self.started) == Some(&0) {
            self.start()?;
        }
        Ok(())
    }

    /// Buckets that are being summed.
    #[cfg(test)]
    fn started(&self) -> usize {
        self.started
    }

    fn start(&mut self) -> Result<(), DistributedError> {
        let number = self.started;
        let Bucket { ranges, components, .. } = &self.buckets.buckets[number];
        debug!(bucket = number, of = self.buckets.count(), components, "all-reduce of gradients started");
        for range in ranges {
            let part = self.gradient.narrow(0, range.start, range.end - range.start);
            self.works.push(self.world.start_all_reduce(&part)?);
        }
        self.started += 1;
        Ok(())
    }

    /// Starts the buckets that are left, and waits for all.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time.
    pub fn finish(mut self) -> Result<(), DistributedError> {
        // Of slots that this step did not use.
        while self.started < self.buckets.count() {
            self.start()?;
        }
        let before = self.world.exchanged();
        self.works.into_iter().try_for_each(Work::wait)?;
        let since = self.world.exchanged().since(&before);
        debug!(took = ?since.took, waited = ?since.waited, "all-reduce of gradients finished");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Device, Kind};

    use super::*;
    use crate::distributed::tests::on_ranks;

    /// Slots of these numbers of components, one after the other in the flat vector.
    fn slots(sizes: &[i64]) -> Vec<Slot> {
        let mut end = 0;
        let slot = |(number, size): (usize, &i64)| {
            let range = end..end + size;
            end += size;
            Slot { name: number.to_string(), shape: vec![*size], selected: None, range }
        };
        sizes.iter().enumerate().map(slot).collect()
    }

    fn number(name: &str) -> usize {
        name.parse().unwrap()
    }

    #[test]
    fn buckets_follow_the_backward_pass() {
        // Two blocks of two slots with an embedding before and a head behind; the head is the last of the vector as well.
        let slots = slots(&[300_000, 150_000, 150_000, 150_000, 150_000, 10]);
        let segments = [0, 1, 1, 2, 2, 3];
        let buckets = Buckets::new(&slots, 4, |name| segments[number(name)]);
        let ranges: Vec<Range<i64>> = buckets.buckets.iter().flat_map(|bucket| bucket.ranges.clone()).collect();
        assert_eq!((buckets.count(), ranges), (3, vec![600_000..900_010, 300_000..600_000, 0..300_000]));
        // What is smaller than a bucket should be is one.
        assert_eq!(Buckets::new(&slots, 1, |name| segments[number(name)]).count(), 1);
    }

    #[test]
    fn complete_buckets_are_summed_while_others_are_not_complete() {
        const SIZE: i64 = 1 << 20;
        let sums = on_ranks(2, |world| {
            let slots = slots(&[SIZE, SIZE, 7]);
            let buckets = Buckets::new(&slots, 4, |name| number(name) / 2);
            let gradient = Tensor::full([2 * SIZE + 7], world.rank() as f64 + 1.0, (Kind::Float, Device::Cpu));
            let mut reduction = Reduction::new(&buckets, gradient.shallow_clone(), &world);
            let mut started = Vec::new();
            for slot in [2, 0, 1] {
                // Its gradient comes to what other slots have, which may be on its way.
                let _ = gradient.narrow(0, slots[slot].range.start, slots[slot].trained()).g_add_scalar_(10.0);
                reduction.complete([slot].into_iter()).unwrap();
                started.push(reduction.started());
            }
            let before = world.exchanged().bytes;
            reduction.finish().unwrap();
            (started, before, world.exchanged().bytes, gradient.eq(23.0).all().int64_value(&[]))
        });
        // The head waits for nothing but a bucket's size; each component is sent once.
        let bytes = 4 * (2 * SIZE as u64 + 7);
        for found in sums {
            assert_eq!(found, (vec![0, 1, 2], bytes, bytes, 1));
        }
    }

    #[test]
    fn what_a_step_did_not_use_is_summed_at_its_end() {
        let sums = on_ranks(3, |world| {
            let slots = slots(&[3, 4]);
            let buckets = Buckets::new(&slots, 4, number);
            let gradient = Tensor::ones([7], (Kind::Float, Device::Cpu));
            let mut reduction = Reduction::new(&buckets, gradient.shallow_clone(), &world);
            reduction.complete([1].into_iter()).unwrap();
            reduction.finish().unwrap();
            gradient.eq(3.0).all().int64_value(&[])
        });
        assert_eq!(sums, [1, 1, 1]);
    }

    proptest! {
        #[test]
        fn every_component_is_in_one_bucket(
            sizes in prop::collection::vec(0i64..2_000_000, 1..40),
            segments in prop::collection::vec(0usize..6, 40),
        ) {
            let slots = slots(&sizes);
            let buckets = Buckets::new(&slots, 4, |name| segments[number(name)]);
            let mut ranges: Vec<Range<i64>> =
                buckets.buckets.iter().flat_map(|bucket| bucket.ranges.clone()).filter(|range| !range.is_empty()).collect();
            ranges.sort_by_key(|range| range.start);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            let covered: i64 = ranges.iter().map(|range| range.end - range.start).sum();
            prop_assert_eq!(covered, sizes.iter().sum::<i64>());
            // No bucket has a slot of a segment that the backward pass reaches after those of the next bucket.
            let lowest = |bucket: usize| (0..slots.len()).filter(|&slot| buckets.of_slots[slot] == bucket).map(|slot| segments[slot]).min();
            let highest = |bucket: usize| (0..slots.len()).filter(|&slot| buckets.of_slots[slot] == bucket).map(|slot| segments[slot]).max();
            for bucket in 1..buckets.count() {
                prop_assert!(lowest(bucket - 1) >= highest(bucket));
            }
        }
    }
}
