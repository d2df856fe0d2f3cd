//! Whether the classification head of a base model is kept: it is if its classes are those of the data, by name.

use crate::Usage;
use crate::data::{Classes, LabelSet};
use crate::model::{ModelConfig, stored_outputs};
use crate::preset::{HeadRule, Preset};
use crate::protocol::{Event, HeadRows};

use super::opened::OpenedModel;

/// The head that a run starts with, and a line for the log.
pub(super) struct ChosenHead {
    pub rows: HeadRows,
    pub note: Option<HeadNote>,
}

/// What the log says about a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadNote {
    /// Why the head is as it is.
    Kept(String),
    /// A warning: why the model's head is not used.
    Replaced(String),
}

/// Chooses the head for a dataset with these labels.
///
/// # Errors
/// [`Usage`]: `model.head = "keep"`, and the model's head does not fit.
pub(super) fn choose(preset: &Preset, model: &OpenedModel, labels: &LabelSet) -> Result<ChosenHead, Usage> {
    let ModelConfig::Encoder(config) = &model.config else { return Ok(ChosenHead::silent(HeadRows::AsStored)) };
    // Whether the weights are intact shows when they are loaded.
    let stored = stored_outputs(&model.folder, &model.config).ok().flatten();
    let id2label = config.id2label.as_deref().unwrap_or_default();
    HeadFit::of(stored, id2label, labels).choose(preset.model.head, id2label, labels)
}

/// How the head of a model fits the labels of a dataset.
#[derive(Debug, PartialEq, Eq)]
enum HeadFit {
    /// The model has no head.
    Absent,
    /// It has the same classes in the same order, or predicts a number.
    Same,
    /// It has as many classes, and no names for them.
    Unnamed,
    /// It has the same classes in another order: where each class of the data is among them.
    Reordered(Vec<usize>),
    /// It has other classes.
    Other,
    /// It has another number of outputs.
    Size(i64),
}

impl HeadFit {
    fn of(stored: Option<i64>, id2label: &[String], labels: &LabelSet) -> HeadFit {
        let Some(outputs) = stored else { return HeadFit::Absent };
        match labels {
            _ if outputs != labels.count() as i64 => HeadFit::Size(outputs),
            LabelSet::Regression => HeadFit::Same,
            LabelSet::Classes(classes) if id2label.len() != classes.names.len() => HeadFit::Unnamed,
            LabelSet::Classes(_) if Classes::is_generic(id2label) => HeadFit::Unnamed,
            LabelSet::Classes(classes) => match classes.order_in(id2label) {
                Some(order) if order.iter().copied().eq(0..order.len()) => HeadFit::Same,
                Some(order) => HeadFit::Reordered(order),
                None => HeadFit::Other,
            },
        }
    }

    fn choose(self, rule: Option<HeadRule>, id2label: &[String], labels: &LabelSet) -> Result<ChosenHead, Usage> {
        let own = Classes::named(id2label.to_vec()).describe();
        let data = match labels {
            LabelSet::Classes(classes) => classes.describe(),
            LabelSet::Regression => "numbers (regression)".into(),
        };
        let kept = |rows, note: String| Ok(ChosenHead { rows, note: Some(HeadNote::Kept(note)) });
        let (rule, reason) = match (rule, self) {
            (None | Some(HeadRule::New), HeadFit::Absent) => return Ok(ChosenHead::silent(HeadRows::AsStored)),
            (Some(HeadRule::New), _) => {
                return kept(HeadRows::New, "head: newly initialised, as model.head = \"new\" asks for".into());
            }
            (_, HeadFit::Same) => return kept(HeadRows::AsStored, format!("head: the model's own, for {data}")),
            (_, HeadFit::Unnamed) => {
                let note = "head: the model's own, by index, since its config.json does not name the classes";
                return kept(HeadRows::AsStored, format!("{note}: output 0 is the first of {data}"));
            }
            (_, HeadFit::Reordered(order)) => {
                let note =
                    format!("head: the model's own; its rows follow the names: it has {own}, the data have {data}");
                return kept(HeadRows::Reordered(order), note);
            }
            (rule, HeadFit::Absent) => (rule, "the model has none".to_owned()),
            (rule, HeadFit::Other) => (rule, format!("the model's is for {own}, and the data have {data}")),
            (rule, HeadFit::Size(outputs)) => {
                let outputs = if outputs == 1 { "1 output".to_owned() } else { format!("{outputs} outputs") };
                let names = if id2label.is_empty() { String::new() } else { format!(", {own}") };
                (rule, format!("the model's has {outputs}{names}, and the data have {data}"))
            }
        };
        match rule {
            Some(HeadRule::Keep) => Err(Usage(format!(
                "model.head is \"keep\", but the head does not fit: {reason}. Remove model.head to train a new one, or use \
                 data with the model's classes"
            ))),
            _ => Ok(ChosenHead {
                rows: HeadRows::New,
                note: Some(HeadNote::Replaced(format!("head: newly initialised, since {reason}"))),
            }),
        }
    }
}

impl HeadNote {
    /// The line of the log.
    pub(super) fn event(&self) -> Event {
        match self {
            HeadNote::Kept(note) => Event::info(note),
            HeadNote::Replaced(warning) => Event::warning(warning),
        }
    }
}

impl ChosenHead {
    pub(super) fn silent(rows: HeadRows) -> ChosenHead {
        ChosenHead { rows, note: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn classes(list: &[&str]) -> LabelSet {
        LabelSet::Classes(Classes::named(names(list)))
    }

    #[test]
    fn a_head_fits_by_name() {
        let fit = |stored, own: &[&str], data: &[&str]| HeadFit::of(stored, &names(own), &classes(data));
        assert_eq!(fit(None, &["LABEL_0", "LABEL_1"], &["a", "b"]), HeadFit::Absent);
        assert_eq!(fit(Some(2), &["A", "b"], &["a", "B"]), HeadFit::Same);
        assert_eq!(fit(Some(2), &["POSITIVE", "NEGATIVE"], &["negative", "positive"]), HeadFit::Reordered(vec![1, 0]));
        assert_eq!(fit(Some(2), &["LABEL_0", "LABEL_1"], &["a", "b"]), HeadFit::Unnamed);
        // A config.json that contradicts the weights names nothing.
        assert_eq!(fit(Some(2), &["a", "b", "c"], &["b", "a"]), HeadFit::Unnamed);
        assert_eq!(fit(Some(2), &["a", "b"], &["a", "c"]), HeadFit::Other);
        assert_eq!(fit(Some(3), &["a", "b", "c"], &["a", "b"]), HeadFit::Size(3));
        assert_eq!(HeadFit::of(Some(1), &names(&["LABEL_0"]), &LabelSet::Regression), HeadFit::Same);
        assert_eq!(HeadFit::of(Some(2), &names(&["a", "b"]), &LabelSet::Regression), HeadFit::Size(2));
    }

    #[test]
    fn a_head_that_does_not_fit_is_new_unless_it_has_to_be_kept() {
        let (own, data) = (names(&["a", "b", "c"]), classes(&["x", "y"]));
        let choose = |rule| HeadFit::of(Some(3), &own, &data).choose(rule, &own, &data);
        let ChosenHead { rows, note } = choose(None).unwrap();
        let message = "head: newly initialised, since the model's has 3 outputs, a (0), b (1), c (2), and the data have x (0), \
                       y (1)";
        assert_eq!((rows, note), (HeadRows::New, Some(HeadNote::Replaced(message.into()))));
        let error = choose(Some(HeadRule::Keep)).err().unwrap().to_string();
        assert!(
            error.starts_with("model.head is \"keep\", but the head does not fit: the model's has 3 outputs"),
            "{error}"
        );
        let absent = HeadFit::Absent.choose(Some(HeadRule::Keep), &[], &data).err().unwrap().to_string();
        assert!(absent.contains("the model has none"), "{absent}");
        let kept = HeadFit::Same.choose(Some(HeadRule::New), &own, &data).unwrap();
        assert_eq!(kept.rows, HeadRows::New);
    }
}
