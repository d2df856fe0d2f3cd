//! One sentence about how rows were read: which keys, which roles, and where the loss is.

use std::collections::BTreeMap;

use super::InstructionFormat;
use super::loss_spans::MaskSource;
use super::messages::RoleCounts;

/// Ignored keys that are named.
const MAX_NAMED: usize = 8;

/// How rows were read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Understood {
    pub format: InstructionFormat,
    /// The keys under their names in the file.
    pub keys: String,
    /// How often each role was found, by its name in the file and in chat templates.
    pub roles: RoleCounts,
    /// How often other keys were there.
    pub ignored: BTreeMap<String, u64>,
}

impl Understood {
    /// `conversations: key "messages", roles human → user (24), gpt → assistant (24); loss on …`. `masks` count the examples by
    /// where their loss masks come from; none are known before they are tokenized.
    pub fn sentence(&self, masks: &BTreeMap<MaskSource, usize>) -> String {
        let what = match self.format {
            InstructionFormat::Messages | InstructionFormat::ShareGpt => "conversations",
            InstructionFormat::Alpaca => "instructions",
            InstructionFormat::PromptCompletion => "prompts and completions",
            InstructionFormat::Text => "texts",
        };
        let mut sentence = format!("{what}: {}", self.keys);
        if !self.roles.is_empty() {
            let role = |((found, role), count): (&(String, String), &u64)| match found == role {
                true => format!("{role} ({count})"),
                false => format!("{found} → {role} ({count})"),
            };
            sentence += &format!(", roles {}", joined(self.roles.iter().map(role)));
        }
        if !self.ignored.is_empty() {
            sentence += &format!("; ignored keys: {}", joined(self.ignored.keys().cloned()));
        }
        sentence + &loss(self.format, masks)
    }
}

fn loss(format: InstructionFormat, masks: &BTreeMap<MaskSource, usize>) -> String {
    if masks.is_empty() {
        return match format {
            InstructionFormat::Text => "; loss on everything".into(),
            InstructionFormat::Alpaca | InstructionFormat::PromptCompletion => "; loss on completions".into(),
            InstructionFormat::Messages | InstructionFormat::ShareGpt => String::new(),
        };
    }
    let only = masks.len() == 1;
    let source = |(source, count): (&MaskSource, &usize)| {
        let source = source.description();
        if only { source.to_owned() } else { format!("{source} ({count})") }
    };
    format!("; loss on assistant messages and their tool calls, mask from {}", joined(masks.iter().map(source)))
}

fn joined(mut names: impl Iterator<Item = String>) -> String {
    let mut list = names.by_ref().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if names.next().is_some() {
        list += ", …";
    }
    list
}
