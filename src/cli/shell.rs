//! `finesift completions` and `finesift man`: what shells and `man` read, generated from the command line's definition.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift completions bash > ~/.local/share/bash-completion/completions/finesift
  finesift completions zsh > ~/.zfunc/_finesift
  finesift completions fish > ~/.config/fish/completions/finesift.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// The completion script.
    pub(super) fn script(&self) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "finesift", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

/// The manual page in roff: the program's own section, then one for each command.
///
/// # Errors
/// None that occur: the page is written to memory.
pub(super) fn manual() -> Result<String> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    render(&program, &mut page).context("cannot render the manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn render(program: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(program.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    render_examples(program, page)?;
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("finesift {}", command.get_name());
        let man = Man::new(command.clone().display_name(name.clone()).bin_name(name.clone()));
        let mut sections = Vec::new();
        man.render_description_section(&mut sections)?;
        man.render_synopsis_section(&mut sections)?;
        man.render_options_section(&mut sections)?;
        render_examples(command, &mut sections)?;
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        // Sections of one command become subsections of the page.
        page.extend(String::from_utf8_lossy(&sections).replace(".SH ", ".SS ").into_bytes());
    }
    Ok(())
}

/// The text after the help, its lines unfilled.
fn render_examples(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let Some(text) = command.get_after_help() else { return Ok(()) };
    let text = text.to_string().replace('\\', "\\e").replace('-', "\\-");
    writeln!(
        page,
        ".SH EXAMPLES\n.nf\n{}\n.fi",
        text.trim_start_matches("Examples:\n").trim_start_matches("Example:\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_completed_and_in_the_manual() {
        let page = manual().unwrap();
        let scripts = [Shell::Bash, Shell::Zsh, Shell::Fish].map(|shell| Completions { shell }.script());
        for command in Cli::command().get_subcommands() {
            for script in &scripts {
                assert!(script.contains(command.get_name()), "{}", command.get_name());
            }
            assert!(
                page.contains(&format!("FINESIFT {}", command.get_name().to_uppercase())),
                "{}",
                command.get_name()
            );
        }
    }
}
