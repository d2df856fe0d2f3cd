//! A rank's part of a micro-batch.

use std::borrow::Cow;

use crate::data::Batch;
use crate::distributed::{Share, World, shares};
use crate::model::{Numbered, RowNumbers};

/// A rank's part of a micro-batch.
pub(super) struct BatchPart<'a> {
    pub batch: Cow<'a, Batch>,
    /// What its loss counts: 0 where there are fewer rows than ranks, and this one computes a row of another's.
    pub weight: f64,
    share: Option<Share>,
}

impl<'a> BatchPart<'a> {
    /// The part of this rank.
    pub fn of(batch: &'a Batch, world: &World) -> BatchPart<'a> {
        if world.is_alone() {
            return BatchPart { batch: Cow::Borrowed(batch), weight: 1.0, share: None };
        }
        let share = shares(&batch.row_tokens(), world.size()).swap_remove(world.rank());
        let weight = if share.counts { 1.0 } else { 0.0 };
        BatchPart { batch: Cow::Owned(batch.part(&share.rows)), weight, share: Some(share) }
    }

    /// Its tokens without padding; none where it computes a row of another's.
    pub fn tokens(&self) -> u64 {
        if self.weight > 0.0 { self.batch.tokens } else { 0 }
    }

    /// Gives its tokens and rows their numbers in the whole micro-batch, for dropout.
    pub fn numbered(&self) -> Option<Numbered> {
        let share = self.share.as_ref()?;
        Some(RowNumbers::set(share.tokens_before, share.rows.iter().map(|&row| row as u64)))
    }
}
