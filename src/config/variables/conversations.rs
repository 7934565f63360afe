//! How long conversations are remembered, and how many.

use std::time::Duration;

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

group! {
    /// How long conversations are remembered, and how many.
    Conversations as conversations {
        /// How long a conversation is remembered since its last use. 1 h.
        conversation_ttl, with_conversation_ttl: Duration;
        /// Conversations of one principal at a time; 0 for none at all. 100.
        max_conversations, with_max_conversations: usize;
    }
}

entries! {
    CONVERSATION_TTL = "MCP_CONDUCTOR_CONVERSATION_TTL" {
        meaning: "How long in ms a conversation is remembered since its last use",
        example: "3600000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(3_600_000),
        form: Form::Millis(at!(conversations.conversation_ttl)),
    }
    MAX_CONVERSATIONS = "MCP_CONDUCTOR_MAX_CONVERSATIONS" {
        meaning: "Conversations of one principal at a time; 0 for none at all",
        example: "100",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(100),
        form: Form::Number {
            min: 0,
            max: 10_000,
            unit: Unit::One,
            at: Integer::Usize(at!(conversations.max_conversations)),
        },
    }
}
