//! The arguments of the kernels, in the layout of `method.cu`.

use std::ffi::c_void;

/// Gradients of a launch.
pub const GRADIENTS: usize = 48;

/// Blocks that the squares of a gradient are summed in.
pub const PARTS: i64 = 64;

/// A trained parameter, and its range of the flat vectors.
#[repr(C)]
pub struct SlotEntry {
    pub start: i64,
    pub end: i64,
    pub weights: *mut c_void,
    pub places: PlacesEntry,
    pub kind: i32,
    pub decay: i32,
}

#[repr(C)]
pub struct PlacesEntry {
    pub indices: *const c_void,
    pub wide_indices: *const c_void,
    pub rows: *const c_void,
    pub columns: *const c_void,
    pub across: i64,
    pub width: i64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct GradientEntry {
    pub values: *const c_void,
    pub kind: i32,
    pub is_whole: i32,
    pub slot: i32,
    pub first_block: i32,
}

#[repr(C)]
pub struct GatherArguments {
    pub slots: *const c_void,
    pub sums: *mut c_void,
    pub sums_kind: i32,
    pub count: i32,
    pub gradients: [GradientEntry; GRADIENTS],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct BiasEntry {
    pub dy: *const c_void,
    pub tokens: i64,
    pub stride: i64,
    pub kind: i32,
    pub slot: i32,
    pub first_block: i32,
    pub unused: i32,
}

#[repr(C)]
pub struct BiasArguments {
    pub slots: *const c_void,
    pub sums: *mut c_void,
    pub sums_kind: i32,
    pub count: i32,
    pub gradients: [BiasEntry; GRADIENTS],
}

#[repr(C)]
pub struct SquaresArguments {
    pub slots: *const c_void,
    pub sums: *mut f32,
    pub count: i32,
    pub unused: i32,
    pub gradients: [GradientEntry; GRADIENTS],
    pub components: [i64; GRADIENTS],
}

#[repr(C)]
pub struct UpdateArguments {
    pub slots: *const c_void,
    pub total: i64,
    pub master: *mut f32,
    pub first_moment: *mut f32,
    pub second_moment: *mut f32,
    pub gradient: *const c_void,
    pub pretrained: *const c_void,
    pub births: *const i32,
    pub scale: *const f32,
    pub apply: *const bool,
    pub updates: i64,
    pub slot_count: i32,
    pub gradient_kind: i32,
    pub pretrained_kind: i32,
    pub learning_rate: f32,
    pub first_share: f32,
    pub second_kept: f32,
    pub second_share: f32,
    pub eps: f32,
    pub rate: f32,
    pub correction: f32,
    pub first_log: f32,
    pub second_log: f32,
    pub sparse_decay: f32,
    pub dense_decay: f32,
}

// SAFETY: kernels read and write what the pointers name as their caller has promised.
unsafe impl Sync for GatherArguments {}
// SAFETY: as above.
unsafe impl Sync for BiasArguments {}
// SAFETY: as above.
unsafe impl Sync for SquaresArguments {}
// SAFETY: as above.
unsafe impl Sync for UpdateArguments {}

impl GradientEntry {
    pub const NONE: GradientEntry =
        GradientEntry { values: std::ptr::null(), kind: 0, is_whole: 0, slot: 0, first_block: 0 };
}

impl BiasEntry {
    pub const NONE: BiasEntry =
        BiasEntry { dy: std::ptr::null(), tokens: 0, stride: 0, kind: 0, slot: 0, first_block: 0, unused: 0 };
}
