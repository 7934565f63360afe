//! Two messages of one conversation through the library: the second knows what the first found.
//!
//! ```text
//! MCP_CONDUCTOR_MCP_CONFIG=$PWD/examples/upstreams/mcp.json cargo run --release --example conversation
//! ```

use std::error::Error;

use mcp_conductor::{Config, Conversation, ExecuteRequest, Grant, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    // First, before any thread exists: this executable is also the zygote.
    mcp_conductor::zygote_hook();
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new(Config::from_env()?).await?;
    let conversation = runtime.create_conversation().await?;
    first(&conversation).await?;
    second(&conversation).await?;
    conversation.end().await?;
    Ok(())
}

/// "Which orders are there?": tools are searched, one is loaded, and a program keeps a sum.
async fn first(conversation: &Conversation) -> Result<(), Box<dyn Error>> {
    for tool in conversation.find_tools("list orders").await? {
        println!("found {}: {}", tool.name, tool.description);
        if tool.name == "mcp__shop__list_orders" {
            let spec = conversation.load_tool_spec(&tool.name).await?;
            println!("loaded {}", spec.signature);
        }
    }
    let request = ExecuteRequest::new(
        "console.log('adding up');
         await session.set('total', [120, 80].reduce((a, b) => a + b));",
    )
    // This call can do less than the administrator allows, never more.
    .with_allowed_tools(["mcp__shop__list_*"])
    .without([Grant::Net, Grant::Run])
    .on_log(|event| println!("program: {}", event.line));
    conversation.execute(request).await?;
    Ok(())
}

/// "And with tax?": nothing is searched again.
async fn second(conversation: &Conversation) -> Result<(), Box<dyn Error>> {
    let request = ExecuteRequest::new("(await session.get('total')) * 1.2");
    let execution = conversation.execute(request).await?;
    println!("with tax: {}", execution.return_value);
    execution.notes.iter().for_each(|note| println!("note: {note}"));
    Ok(())
}
