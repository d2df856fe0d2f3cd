//! How a gradient is spread over the components: are the gradients of a pre-trained model quasi-sparse (Song et al., ICML 2024,
//! section 3), and of one that is randomly initialised?
//!
//! One parameter's gradient exists at a time. Of it stay a histogram of fixed size (`magnitudes`), and the indices of its largest
//! components at the preset's rate (`top_set`) for the first batch, the batch before and the current one.
//!
//! ```text
//! run          the passes over the batches
//! targets      the parameters, by module and layer
//! measure      the gradient of a batch
//! magnitudes   what the largest components hold, from a histogram
//! top_set      the largest components, and their overlap
//! results      what was measured, averaged over batches
//! report       figures, tables and findings
//! ```

mod magnitudes;
mod measure;
mod report;
mod results;
mod run;
mod targets;
mod top_set;

pub use run::{GradientsSpec, run};
