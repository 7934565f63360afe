//! `mcp-conductor conversation`: conversations of everybody, for the administrator.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use mcp_conductor::{
    Config, ConversationError, ConversationSummary, end_conversation, find_conversation,
    list_conversations,
};

use super::{print, unusable};

#[derive(Debug, Args)]
pub(super) struct ConversationArguments {
    #[command(subcommand)]
    command: ConversationCommand,
}

#[derive(Debug, Subcommand)]
enum ConversationCommand {
    /// Show all conversations: handle, principal, last use, number of runs.
    List,
    /// Show one: its tools and its last runs. Values that programs keep are not shown.
    Show(Named),
    /// End one: nothing of it is kept.
    End(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// Its handle, as `list` shows it.
    handle: String,
}

/// Who has a conversation where nobody authenticates.
const NOBODY: &str = "-";

pub(super) async fn conversation(config: &Config, arguments: &ConversationArguments) -> ExitCode {
    let text: Result<String, ConversationError> = match &arguments.command {
        ConversationCommand::List => list_conversations(config).await.map(|all| listed(&all)),
        ConversationCommand::Show(Named { handle }) => {
            find_conversation(config, handle).await.map(|one| shown(&one))
        }
        ConversationCommand::End(Named { handle }) => {
            end_conversation(config, handle).await.map(|()| format!("Ended {handle}\n"))
        }
    };
    match text {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(ConversationError::Unknown) => unusable(
            "there is no such conversation: it has ended or expired. `mcp-conductor conversation \
             list` shows those that there are",
        ),
        Err(error) => unusable(&error.to_string()),
    }
}

fn who(one: &ConversationSummary) -> &str {
    one.principal.as_deref().unwrap_or(NOBODY)
}

fn listed(all: &[ConversationSummary]) -> String {
    if all.is_empty() {
        return "There are no conversations.\n".to_owned();
    }
    let width = all.iter().map(|one| who(one).len()).max().unwrap_or_default();
    let line = |one: &ConversationSummary| {
        format!("{}  {:width$}  {}  runs {}\n", one.handle, who(one), one.used, one.runs)
    };
    all.iter().map(line).collect()
}

fn shown(one: &ConversationSummary) -> String {
    let mut text = format!(
        "{}\n  principal  {}\n  begun      {}\n  last used  {}\n  runs       {}\n",
        one.handle,
        who(one),
        one.created,
        one.used,
        one.runs
    );
    for (title, lines) in [("Loaded tools", &one.loaded), ("Last runs", &one.history)] {
        if !lines.is_empty() {
            text.push_str(&format!("{title}:\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
    }
    text
}
