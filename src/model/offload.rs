//! Weights off the device: those of the linear layers of each block stay in host memory, and are copied to the device a block ahead of
//! their use.
//!
//! Two buffers on the device take turns: one has the block that computes, the other that of the next one, or on the way back of the
//! one before. A parameter is its copy while a buffer has its block, and what is in host memory otherwise: layers do not know.
//!
//! Host memory keeps the weights as they were loaded. What training has made of them is written into each copy ([`Overlay`]): a few
//! components on the device, where to bring them home after each step would move as many bytes as there are pages.
//!
//! A graph that outlives its block's turn in a buffer would see another block's weights. So a network of this kind is trained with
//! gradient checkpointing, which computes a block again before its backward pass ([`Parameters::are_offloaded`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use super::builder::{ParameterKind, ParameterSpec};
use super::decoder::attention::AttentionContext;
use super::decoder::block::DecoderBlock;
use super::decoder::kv_cache::LayerCache;
use super::encoder::{EncoderBatch, EncoderBlock, EncoderSegment};
use super::families::Layers;
use super::memory::{BlockActivations, TrainingStep};
use super::parameters::Parameters;
use super::tape::ForwardPass;
use crate::device::copies::{BUFFERS, Copies};
use crate::kernels::cuda::Pinned;
use crate::quantity::bytes;

/// Elements that a parameter's place in a buffer is a multiple of: as libtorch aligns tensors.
const ALIGNMENT: i64 = 512;

/// Writes the current values of the trained components of a parameter, by its name, into its copy on the device.
pub type Overlay = Box<dyn Fn(&str, &Tensor) + Send>;

/// The weights of a network's blocks, and the buffers that they take turns in.
pub struct Offload {
    blocks: usize,
    bytes: OffloadBytes,
    /// Why host memory is not page-locked; `None` if it is, or need not be.
    unpinned: Option<String>,
    buffers: Mutex<Buffers>,
}

/// What the weights of blocks take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffloadBytes {
    /// Of host memory: all blocks.
    pub host: u64,
    /// Of the device: two buffers as large as the largest block.
    pub device: u64,
}

struct Buffers {
    /// Dropped first, since it waits for the copies.
    copies: Copies,
    _pinned: Vec<Pinned>,
    blocks: Vec<Vec<Weight>>,
    buffers: [Buffer; BUFFERS],
    /// The block that computes, or the last that has.
    latest: Option<usize>,
    overlay: Option<Overlay>,
}

/// The weight of a linear layer of a block.
struct Weight {
    name: String,
    /// The network's own.
    parameter: Tensor,
    host: Tensor,
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
    /// Of a network with these parameters and so many blocks, whose weights have so many bytes each.
    pub fn of(specs: &[ParameterSpec], blocks: usize, element_size: u64) -> OffloadBytes {
        let mut sizes = vec![0; blocks];
        let mut host = 0;
        for spec in specs.iter().filter(|spec| is_offloaded(spec, blocks)) {
            host += spec.components() as u64 * element_size;
            sizes[spec.segment - 1] += aligned(spec.components()) as u64 * element_size;
        }
        OffloadBytes { host, device: 2 * sizes.into_iter().max().unwrap_or(0) }
    }
}

impl Offload {
    /// For a network whose blocks' weights are in host memory.
    ///
    /// # Errors
    /// Memory of the device that is not there.
    pub fn new(parameters: &Parameters, blocks: usize) -> Result<Offload> {
        let device = parameters.device();
        let mut weights: Vec<Vec<Weight>> = (0..blocks).map(|_| Vec::new()).collect();
        let (mut ends, mut kind) = (vec![0; blocks], Kind::Float);
        for spec in parameters.specs().iter().filter(|spec| is_offloaded(spec, blocks)) {
            let parameter = parameters.get(&spec.name);
            kind = parameter.kind();
            let end = &mut ends[spec.segment - 1];
            let weight = Weight { name: spec.name.clone(), host: parameter.detach(), parameter, start: *end };
            *end += aligned(spec.components());
            weights[spec.segment - 1].push(weight);
        }
        let (pinned, unpinned) = match device {
            Device::Cpu => (Vec::new(), None),
            _ => pin(weights.iter().flatten().map(|weight| &weight.host)),
        };
        let largest = ends.into_iter().max().unwrap_or(0);
        let buffer = || Buffer { memory: Tensor::empty([largest], (kind, device)), block: None };
        let buffers = Buffers {
            copies: Copies::to(device)?,
            _pinned: pinned,
            blocks: weights,
            buffers: [buffer(), buffer()],
            latest: None,
            overlay: None,
        };
        let bytes = OffloadBytes::of(parameters.specs(), blocks, kind.elt_size_in_bytes() as u64);
        Ok(Offload { blocks, bytes, unpinned, buffers: Mutex::new(buffers) })
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
    /// turns`.
    pub fn summary(&self) -> String {
        let OffloadBytes { host, device } = self.bytes;
        let (host, buffer) = (bytes(host as f64), bytes(device as f64 / 2.0));
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

    /// Makes every parameter that which is in host memory.
    pub fn release(&self) {
        let mut buffers = self.buffers();
        (0..BUFFERS).for_each(|number| buffers.evict(number));
        buffers.latest = None;
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
        self.copies.wait_for(number);
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
        let pair = |weight: &Weight| (weight.copy(&buffer.memory), weight.host.shallow_clone());
        self.copies.start(number, &self.blocks[block].iter().map(pair).collect::<Vec<_>>());
    }

    /// Makes the parameters of the block in a buffer those in host memory.
    fn evict(&mut self, number: usize) {
        if let Some(block) = self.buffers[number].block.take() {
            self.blocks[block].iter().for_each(|weight| weight.parameter.shallow_clone().set_data(&weight.host));
        }
    }
}

impl Weight {
    /// Its place in a buffer.
    fn copy(&self, buffer: &Tensor) -> Tensor {
        let size = self.host.size();
        buffer.narrow(0, self.start, size.iter().product()).view(&size[..])
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

/// A block whose weights are off the device.
struct OffloadedBlock<Block: ?Sized> {
    block: Box<Block>,
    segment: usize,
    offload: Arc<Offload>,
}

impl Layers {
    /// Blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Layers::Encoder(encoder) => encoder.blocks.len(),
            Layers::Decoder(decoder) => decoder.blocks.len(),
        }
    }

    /// Makes the weights of each block come to the device when it computes.
    pub(super) fn offload(&mut self, offload: &Arc<Offload>) {
        match self {
            Layers::Encoder(encoder) => {
                let blocks = std::mem::take(&mut encoder.blocks).into_iter().zip(1..);
                let offloaded = |(block, segment)| -> Box<dyn EncoderBlock> {
                    Box::new(OffloadedBlock { block, segment, offload: Arc::clone(offload) })
                };
                encoder.blocks = blocks.map(offloaded).collect();
            }
            Layers::Decoder(decoder) => {
                let blocks = std::mem::take(&mut decoder.blocks).into_iter().zip(1..);
                let offloaded = |(block, segment)| -> Box<dyn DecoderBlock> {
                    Box::new(OffloadedBlock { block, segment, offload: Arc::clone(offload) })
                };
                decoder.blocks = blocks.map(offloaded).collect();
            }
        }
    }
}

impl EncoderSegment for OffloadedBlock<dyn EncoderBlock> {
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        self.offload.enter(self.segment);
        self.block.forward(hidden, batch, pass)
    }
}

impl EncoderBlock for OffloadedBlock<dyn EncoderBlock> {
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        self.block.activations(step)
    }
}

impl DecoderBlock for OffloadedBlock<dyn DecoderBlock> {
    fn forward(
        &self,
        hidden: &Tensor,
        attention: &AttentionContext,
        cache: Option<LayerCache<'_>>,
        pass: &mut ForwardPass,
    ) -> Tensor {
        self.offload.enter(self.segment);
        self.block.forward(hidden, attention, cache, pass)
    }

    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        self.block.activations(step)
    }
}
