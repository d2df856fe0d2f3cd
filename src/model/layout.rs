//! The parameters that follow from a config: names, shapes, places. They can be counted without building anything.

use super::config::{Config, Family};

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name in a checkpoint of the whole network, head included.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// The segment that uses it.
    pub segment: usize,
    /// Whether it belongs to a linear layer, whose gradient is had from what goes in and out.
    pub linear: bool,
    /// Whether a checkpoint may lack it, as one of the network without a head does.
    pub head: bool,
}

/// All parameters of a classifier, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Prefix of everything but the classifier: `bert.`, absent in a checkpoint of the bare network.
    pub prefix: &'static str,
    /// The parameters.
    pub parameters: Vec<ParameterSpec>,
    /// Standard deviation of the weights of a new head.
    pub initializer_range: f64,
}

impl Layout {
    /// The layout of a classifier with this many outputs.
    pub fn of(config: &Config, labels: i64) -> Layout {
        let prefix = match config.family {
            Family::Bert => "bert.",
            Family::Roberta => "roberta.",
        };
        let hidden = config.hidden_size;
        let mut layout = Layout { prefix, parameters: Vec::new(), initializer_range: config.initializer_range };

        let embeddings = format!("{prefix}embeddings");
        for (table, rows) in [
            ("word_embeddings", config.vocab_size),
            ("position_embeddings", config.max_position_embeddings),
            ("token_type_embeddings", config.type_vocab_size),
        ] {
            layout.push(0, format!("{embeddings}.{table}.weight"), vec![rows, hidden], false);
        }
        layout.norm(0, &format!("{embeddings}.LayerNorm"), hidden);

        for layer in 0..config.num_hidden_layers {
            let segment = layer as usize + 1;
            let block = format!("{prefix}encoder.layer.{layer}");
            for linear in
                ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                layout.linear(segment, &format!("{block}.{linear}"), hidden, hidden);
            }
            layout.norm(segment, &format!("{block}.attention.output.LayerNorm"), hidden);
            layout.linear(segment, &format!("{block}.intermediate.dense"), hidden, config.intermediate_size);
            layout.linear(segment, &format!("{block}.output.dense"), config.intermediate_size, hidden);
            layout.norm(segment, &format!("{block}.output.LayerNorm"), hidden);
        }

        let head = config.num_hidden_layers as usize + 1;
        let before = layout.parameters.len();
        match config.family {
            Family::Bert => {
                layout.linear(head, "bert.pooler.dense", hidden, hidden);
                layout.linear(head, "classifier", hidden, labels);
            }
            Family::Roberta => {
                layout.linear(head, "classifier.dense", hidden, hidden);
                layout.linear(head, "classifier.out_proj", hidden, labels);
            }
        }
        for parameter in &mut layout.parameters[before..] {
            parameter.head = true;
        }
        layout
    }

    /// Parameters in all, counted by component.
    pub fn components(&self) -> i64 {
        self.parameters.iter().map(|parameter| parameter.shape.iter().product::<i64>()).sum()
    }

    fn linear(&mut self, segment: usize, module: &str, inputs: i64, outputs: i64) {
        self.push(segment, format!("{module}.weight"), vec![outputs, inputs], true);
        self.push(segment, format!("{module}.bias"), vec![outputs], true);
    }

    fn norm(&mut self, segment: usize, module: &str, size: i64) {
        self.push(segment, format!("{module}.weight"), vec![size], false);
        self.push(segment, format!("{module}.bias"), vec![size], false);
    }

    fn push(&mut self, segment: usize, name: String, shape: Vec<i64>, linear: bool) {
        self.parameters.push(ParameterSpec { name, shape, segment, linear, head: false });
    }
}
