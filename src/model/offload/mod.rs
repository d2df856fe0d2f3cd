//! Weights off the device: those of the linear layers of each block stay in host memory, or are sharded over ranks, and come to the device a
//! block ahead of their use.
//!
//! Two buffers on the device take turns: one has the block that computes, the other that of the next one, or on the way back of the
//! one before. A parameter is its copy while a buffer has its block: layers do not know.
//!
//! Host memory keeps the weights as they were loaded. What training has made of them is written into each copy ([`Overlay`]): a few
//! components on the device, where to bring them home after each step would move as many bytes as there are pages. A rank keeps and trains
//! some rows of each weight ([`OwnRows`]), as PyTorch's FSDP2 does; a copy has those of all ranks.
//!
//! A graph that outlives its block's turn in a buffer would see another block's weights. So a network of this kind is trained with
//! gradient checkpointing, which computes a block again before its backward pass ([`Parameters::are_offloaded`]).

mod blocks;
mod own_rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use super::builder::{ParameterKind, ParameterSpec};
use super::parameters::Parameters;
use crate::device::copies::{BUFFERS, Copies};
use crate::distributed::{DistributedError, Gathers, World};
use crate::kernels::cuda::Pinned;
use crate::quantity::bytes;
pub use own_rows::OwnRows;
pub(super) use own_rows::absent;
use own_rows::rows_per_rank;

/// Elements that a parameter's place in a buffer is a multiple of: as libtorch aligns tensors.
const ALIGNMENT: i64 = 512;

/// Writes the current values of the trained components of a parameter, by its name, into its copy on the device.
pub type Overlay = Box<dyn Fn(&str, &Tensor) + Send>;

/// The weights of a network's blocks, and the buffers that they take turns in.
pub struct Offload {
    blocks: usize,
    bytes: OffloadBytes,
    /// Those that have a part of each weight; none where host memory has them.
    ranks: Option<usize>,
    /// Why host memory is not page-locked; `None` if it is, or need not be.
    unpinned: Option<String>,
    buffers: Mutex<Buffers>,
}

/// Where the weights of blocks are when they do not compute.
#[derive(Clone)]
pub enum OffDevice {
    /// In host memory.
    Host,
    /// Each rank has some rows of each.
    Ranks(Arc<World>),
}

/// What the weights of blocks take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffloadBytes {
    /// Of all blocks, elsewhere: in host memory, or on other ranks.
    pub elsewhere: u64,
    /// Of the device: two buffers as large as the largest block.
    pub device: u64,
}

struct Buffers {
    /// Dropped first, since it waits for what is on its way into the buffers.
    source: Source,
    blocks: Vec<Vec<Weight>>,
    buffers: [Buffer; BUFFERS],
    /// The block that computes, or the last that has.
    latest: Option<usize>,
    overlay: Option<Overlay>,
}

/// Brings weights into the buffers.
enum Source {
    Host { copies: Copies, _pinned: Vec<Pinned> },
    Ranks(Gathers),
}

/// The weight of a linear layer of a block.
struct Weight {
    name: String,
    /// The network's own.
    parameter: Tensor,
    /// What the parameter is while no buffer has its block: the weight in host memory, or nothing that could be used.
    resting: Tensor,
    /// What the source brings it from: the weight in host memory, or this rank's rows.
    own: Tensor,
    /// Components in a buffer.
    size: i64,
    /// Where it begins in a buffer.
    start: i64,
}

/// Device memory for a block.
struct Buffer {
    memory: Tensor,
    block: Option<usize>,
}

/// Whether a parameter is off the device, in a network of so many blocks: the segments from 1 on.
pub fn is_offloaded(spec: &ParameterSpec, blocks: usize) -> bool {
    spec.kind == ParameterKind::LinearWeight && (1..=blocks).contains(&spec.segment)
}

impl OffloadBytes {
    /// Of a network with these parameters and so many blocks, whose weights have so many bytes each. `ranks` of them have a part of each; none
    /// where they are in host memory.
    pub fn of(specs: &[ParameterSpec], blocks: usize, element_size: u64, ranks: Option<usize>) -> OffloadBytes {
        let mut sizes = vec![0; blocks];
        let mut elsewhere = 0;
        for spec in specs.iter().filter(|spec| is_offloaded(spec, blocks)) {
            let (rows, width) = (spec.shape[0], spec.shape[1..].iter().product::<i64>());
            // A share counts for the first rank, which has the largest.
            let share = ranks.map_or(0, |ranks| rows_per_rank(rows, ranks));
            elsewhere += ((rows - share) * width) as u64 * element_size;
            sizes[spec.segment - 1] += aligned(buffered(rows, ranks) * width) as u64 * element_size;
        }
        OffloadBytes { elsewhere, device: 2 * sizes.into_iter().max().unwrap_or(0) }
    }
}

/// Rows that a weight takes in a buffer: those of all ranks are as many.
fn buffered(rows: i64, ranks: Option<usize>) -> i64 {
    ranks.map_or(rows, |ranks| rows_per_rank(rows, ranks) * ranks as i64)
}

impl Offload {
    /// For a network whose blocks' weights are there.
    ///
    /// # Errors
    /// Memory of the device that is not there.
    pub fn new(parameters: &Parameters, blocks: usize, off: &OffDevice) -> Result<Offload> {
        let device = parameters.device();
        let ranks = match off {
            OffDevice::Host => None,
            OffDevice::Ranks(world) => Some(world.size()),
        };
        let mut weights: Vec<Vec<Weight>> = (0..blocks).map(|_| Vec::new()).collect();
        let (mut ends, mut kind) = (vec![0; blocks], Kind::Float);
        for spec in parameters.specs().iter().filter(|spec| is_offloaded(spec, blocks)) {
            let parameter = parameters.get(&spec.name);
            kind = parameter.kind();
            let end = &mut ends[spec.segment - 1];
            let resting = parameter.detach();
            let own = parameters
                .own_rows(&spec.name)
                .map_or_else(|| resting.shallow_clone(), |own| own.padded.shallow_clone());
            let size = buffered(spec.shape[0], ranks) * spec.components() / spec.shape[0].max(1);
            weights[spec.segment - 1].push(Weight {
                name: spec.name.clone(),
                resting,
                own,
                parameter,
                size,
                start: *end,
            });
            *end += aligned(size);
        }
        let (pinned, unpinned) = match (device, ranks) {
            (Device::Cpu, _) | (_, Some(_)) => (Vec::new(), None),
            _ => pin(weights.iter().flatten().map(|weight| &weight.own)),
        };
        let source = match off {
            OffDevice::Host => Source::Host { copies: Copies::to(device)?, _pinned: pinned },
            OffDevice::Ranks(world) => Source::Ranks(Gathers::among(Arc::clone(world))),
        };
        let largest = ends.into_iter().max().unwrap_or(0);
        let buffer = || Buffer { memory: Tensor::empty([largest], (kind, device)), block: None };
        let buffers = Buffers { source, blocks: weights, buffers: [buffer(), buffer()], latest: None, overlay: None };
        let bytes = OffloadBytes::of(parameters.specs(), blocks, kind.elt_size_in_bytes() as u64, ranks);
        Ok(Offload { blocks, bytes, ranks, unpinned, buffers: Mutex::new(buffers) })
    }

    /// Whether the parameter of this name is off the device.
    pub fn has(&self, name: &str) -> bool {
        self.buffers().blocks.iter().flatten().any(|weight| weight.name == name)
    }

    /// What the weights of blocks take.
    pub fn bytes(&self) -> OffloadBytes {
        self.bytes
    }

    /// Where weights are, for the log: `weights of 32 blocks, 12.1 GiB, stay in page-locked host memory; 2 x 386 MiB of the device take
    /// turns`, or `each of 4 ranks has a quarter of ...`.
    pub fn summary(&self) -> String {
        let OffloadBytes { elsewhere, device } = self.bytes;
        let (host, buffer) = (bytes(elsewhere as f64), bytes(device as f64 / 2.0));
        if let Some(ranks) = self.ranks {
            return format!(
                "weights of {} blocks are sharded over {ranks} ranks, {host} of them on others than this; 2 x {buffer} take turns",
                self.blocks
            );
        }
        let (memory, why) = match &self.unpinned {
            None => ("page-locked host memory", String::new()),
            Some(why) => ("host memory", format!(" (it could not be page-locked, which is slower: {why})")),
        };
        format!(
            "weights of {} blocks, {host}, stay in {memory}; 2 x {buffer} of the device take turns{why}",
            self.blocks
        )
    }

    /// Sets what is written into each copy. Copies that are on the device already are dropped.
    pub fn set_overlay(&self, overlay: Overlay) {
        self.buffers().overlay = Some(overlay);
        self.release();
    }

    /// Makes every parameter what it is while no block computes.
    pub fn release(&self) {
        let mut buffers = self.buffers();
        (0..BUFFERS).for_each(|number| buffers.evict(number));
        buffers.latest = None;
    }

    /// Brings the weights of the first block again, ahead of the next forward pass: those of the ranks have changed.
    pub fn refresh(&self) {
        if self.ranks.is_some() {
            self.release();
            self.buffers().fetch(0, 0);
        }
    }

    /// Whether the weights are sharded over ranks, which have to compute all blocks together.
    pub fn is_sharded(&self) -> bool {
        self.ranks.is_some()
    }

    /// Whether all weights have come so far.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time. What was computed since is not a number.
    pub fn outcome(&self) -> Result<(), DistributedError> {
        match &self.buffers().source {
            Source::Host { .. } => Ok(()),
            Source::Ranks(gathers) => gathers.outcome(),
        }
    }

    /// Makes the parameters of a segment, which is a block, its copies on the device with their current values, and starts to copy those
    /// of the block that is likely to come next.
    fn enter(&self, segment: usize) {
        let _span = trace_span!("copy weights").entered();
        self.buffers().enter(segment - 1);
    }

    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffers {
    fn enter(&mut self, block: usize) {
        let number = self.buffer_of(block).unwrap_or_else(|| {
            let number = self.latest.and_then(|latest| self.buffer_of(latest)).map_or(0, other);
            self.fetch(block, number);
            number
        });
        self.source.wait_for(number);
        for weight in &self.blocks[block] {
            weight.parameter.shallow_clone().set_data(&weight.copy(&self.buffers[number].memory));
            if let Some(overlay) = &self.overlay {
                overlay(&weight.name, &weight.parameter);
            }
        }
        let next = self.next(block).filter(|next| self.buffer_of(*next).is_none());
        self.latest = Some(block);
        if let Some(next) = next {
            self.fetch(next, other(number));
        }
    }

    /// The block that follows on the way on which `block` comes: on from the first, back from the last.
    fn next(&self, block: usize) -> Option<usize> {
        let back = block + 1 == self.blocks.len() || block > 0 && self.latest.is_some_and(|latest| block < latest);
        if back { block.checked_sub(1) } else { Some(block + 1) }
    }

    fn buffer_of(&self, block: usize) -> Option<usize> {
        self.buffers.iter().position(|buffer| buffer.block == Some(block))
    }

    /// Starts to copy a block. Its parameters are the copies once it computes.
    fn fetch(&mut self, block: usize, number: usize) {
        self.evict(number);
        let buffer = &mut self.buffers[number];
        buffer.block = Some(block);
        let pair = |weight: &Weight| (weight.place(&buffer.memory), weight.own.shallow_clone());
        self.source.start(number, &self.blocks[block].iter().map(pair).collect::<Vec<_>>());
    }

    /// Makes the parameters of the block in a buffer what they are while it does not compute.
    fn evict(&mut self, number: usize) {
        if let Some(block) = self.buffers[number].block.take() {
            self.blocks[block].iter().for_each(|weight| weight.parameter.shallow_clone().set_data(&weight.resting));
            if let Source::Ranks(gathers) = &mut self.source {
                // What is on its way into the buffer would come after what is next.
                gathers.wait_for(number);
            }
        }
    }
}

impl Source {
    fn start(&mut self, number: usize, weights: &[(Tensor, Tensor)]) {
        match self {
            Source::Host { copies, .. } => copies.start(number, weights),
            Source::Ranks(gathers) => gathers.start(number, weights),
        }
    }

    fn wait_for(&mut self, number: usize) {
        match self {
            Source::Host { copies, .. } => copies.wait_for(number),
            Source::Ranks(gathers) => gathers.wait_for(number),
        }
    }
}

impl Weight {
    /// Its place in a buffer, `[rows, in]`, with the rows that ranks have beyond its own.
    fn place(&self, buffer: &Tensor) -> Tensor {
        let width = self.resting.size()[1];
        buffer.narrow(0, self.start, self.size).view([self.size / width.max(1), width])
    }

    /// Its copy in a buffer.
    fn copy(&self, buffer: &Tensor) -> Tensor {
        self.place(buffer).narrow(0, 0, self.resting.size()[0])
    }
}

/// The other buffer.
fn other(number: usize) -> usize {
    BUFFERS - 1 - number
}

/// Locks the pages of all, or of none and says why.
fn pin<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> (Vec<Pinned>, Option<String>) {
    match tensors.map(Pinned::new).collect::<Result<Vec<Pinned>, String>>() {
        Ok(pinned) => (pinned, None),
        Err(why) => (Vec::new(), Some(why)),
    }
}

fn aligned(components: i64) -> i64 {
    (components + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}
