//! The `/` commands of the chat: one table for parsing, completion and help.

use crate::suggest::did_you_mean;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    System,
    Temperature,
    Tokens,
    Base,
    Regenerate,
    Save,
    Clear,
    Help,
    Quit,
}

/// A line of the table.
pub struct Definition {
    pub name: &'static str,
    /// The name that `finesift chat` without a screen has for it, if it is another one.
    alias: Option<&'static str>,
    pub argument: &'static str,
    pub help: &'static str,
    pub command: Command,
}

/// Every command, in the order of the help.
pub const COMMANDS: [Definition; 9] = [
    define("/system", None, "[TEXT]", "set the system prompt; without TEXT remove it", Command::System),
    define("/temperature", None, "X", "sampling temperature; 0 is greedy", Command::Temperature),
    define("/tokens", None, "N", "maximum new tokens of an answer", Command::Tokens),
    define("/base", Some("/compare"), "", "answer with the base model too, on or off", Command::Base),
    define("/regenerate", Some("/again"), "", "generate the last answer again", Command::Regenerate),
    define("/save", None, "[FILE]", "save the last prompt and answer as a training example", Command::Save),
    define("/clear", Some("/new"), "", "start a new conversation", Command::Clear),
    define("/help", None, "", "list the commands and keys", Command::Help),
    define("/quit", None, "", "quit", Command::Quit),
];

const fn define(
    name: &'static str,
    alias: Option<&'static str>,
    argument: &'static str,
    help: &'static str,
    command: Command,
) -> Definition {
    Definition { name, alias, argument, help, command }
}

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    Prompt(&'a str),
    Command(Command, &'a str),
}

/// Parses what was typed. A prompt that begins with `/` is written with two.
///
/// # Errors
/// Why there is no such command.
pub fn parse(text: &str) -> Result<Typed<'_>, String> {
    let text = text.trim();
    if !text.starts_with('/') {
        return Ok(Typed::Prompt(text));
    }
    if text.starts_with("//") {
        return Ok(Typed::Prompt(&text[1..]));
    }
    let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let found = COMMANDS.iter().find(|definition| definition.name == name || definition.alias == Some(name));
    match found {
        Some(definition) if definition.argument.is_empty() && !argument.is_empty() => {
            Err(format!("{name} takes no argument"))
        }
        Some(definition) => Ok(Typed::Command(definition.command, argument.trim())),
        None => {
            let meant = did_you_mean(name, COMMANDS.iter().map(|definition| definition.name));
            let end = if meant.is_empty() { "; /help lists them, and // begins a prompt with /" } else { &meant };
            Err(format!("no command {name}{end}"))
        }
    }
}

/// The commands that what is typed so far can become; the one whose argument is being typed.
pub fn matching(text: &str) -> Vec<&'static Definition> {
    if !text.starts_with('/') || text.starts_with("//") {
        return Vec::new();
    }
    match text.split_once(char::is_whitespace) {
        Some((name, _)) => COMMANDS.iter().filter(|definition| definition.name == name).collect(),
        None => COMMANDS.iter().filter(|definition| definition.name.starts_with(text)).collect(),
    }
}

/// The typed text with its command completed as far as it is certain.
pub fn completed(text: &str) -> Option<String> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let matching = matching(text);
    let first = matching.first()?;
    if matching.len() == 1 {
        return Some(format!("{}{}", first.name, if first.argument.is_empty() { "" } else { " " }));
    }
    let common = (0..=first.name.len())
        .rev()
        .find(|&end| matching.iter().all(|definition| definition.name.starts_with(&first.name[..end])))?;
    Some(first.name[..common].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed_with_their_arguments() {
        assert_eq!(parse(" hello /help "), Ok(Typed::Prompt("hello /help")));
        assert_eq!(parse("//etc is what?"), Ok(Typed::Prompt("/etc is what?")));
        assert_eq!(parse("/temperature  0.5 "), Ok(Typed::Command(Command::Temperature, "0.5")));
        assert_eq!(parse("/system a\nb"), Ok(Typed::Command(Command::System, "a\nb")));
        assert_eq!(parse("/system"), Ok(Typed::Command(Command::System, "")));
        assert_eq!(parse("/again"), Ok(Typed::Command(Command::Regenerate, "")));
        assert_eq!(parse("/base on"), Err("/base takes no argument".into()));
        let unknown = parse("/temprature 1").unwrap_err();
        assert_eq!(unknown, "no command /temprature; did you mean \"/temperature\"?");
        assert_eq!(parse("/zzz"), Err("no command /zzz; /help lists them, and // begins a prompt with /".into()));
    }

    #[test]
    fn commands_are_completed_as_far_as_they_are_certain() {
        let names = |text| matching(text).iter().map(|definition| definition.name).collect::<Vec<_>>();
        assert_eq!(names("/").len(), COMMANDS.len());
        assert_eq!(names("/s"), ["/system", "/save"]);
        assert_eq!(names("/system be brief"), ["/system"]);
        assert_eq!(names("//s"), [""; 0]);
        assert_eq!(completed("/s").as_deref(), Some("/s"));
        assert_eq!(completed("/sy").as_deref(), Some("/system "));
        assert_eq!(completed("/c").as_deref(), Some("/clear"));
        assert_eq!(completed("/x"), None);
        assert_eq!(completed("/system a"), None);
    }
}
