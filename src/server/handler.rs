//! The MCP requests that this server answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest,
    CustomResult, ErrorData, Implementation, InitializeResult, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, model::ErrorCode};

use super::json::ExecutionJson;
use super::tool::{RUN_DENO_CODE, run_deno_code};
use super::{arguments, progress};
use crate::runtime::{ExecuteError, ExecuteRequest, Execution, Runtime};

const INSTRUCTIONS: &str = "\
run_deno_code runs a TypeScript program in a sandbox and returns its value: write one program \
instead of many steps, pass data in `globals`, return only what you need. Each run is a fresh \
process with what the administrator granted: files, hosts, variables, commands (see the tool).";

/// How long a result waits for the progress notifications before it.
const LAST_PROGRESS: Duration = Duration::from_millis(500);

/// Methods that this server answers.
const OWN_METHODS: [&str; 5] =
    ["initialize", "ping", "server/discover", "tools/call", "tools/list"];

/// The server's side of every connection.
#[derive(Clone)]
pub(super) struct Handler {
    runtime: Runtime,
    draining: Arc<AtomicBool>,
}

impl Handler {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self { runtime, draining: Arc::default() }
    }

    /// Answers new calls with a refusal from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn run(
        &self,
        request: ExecuteRequest,
        context: RequestContext<RoleServer>,
    ) -> Option<Result<Execution, ExecuteError>> {
        let token = context.meta.get_progress_token();
        let (execution, events) = self.runtime.stream(request);
        let forwarded = progress::forward(events, context.peer, token);
        tokio::pin!(forwarded);
        let ended = async {
            tokio::pin!(execution);
            tokio::select! {
                execution = &mut execution => {
                    // Notifications precede the result, unless they cannot be
                    // sent any more: the client closed its end.
                    let _ = tokio::time::timeout(LAST_PROGRESS, &mut forwarded).await;
                    execution
                }
                () = &mut forwarded => execution.await,
            }
        };
        tokio::select! {
            execution = ended => Some(execution),
            // Dropping the execution kills the program.
            () = context.ct.cancelled() => None,
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> InitializeResult {
        let implementation = Implementation::new("mcp-conductor", env!("CARGO_PKG_VERSION"))
            .with_title("MCP Conductor");
        InitializeResult::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation)
            .with_instructions(INSTRUCTIONS)
    }

    /// What rmcp could not read as a request that it knows: another method, or
    /// one of ours with parameters of another shape.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        if OWN_METHODS.contains(&method.as_str()) {
            let message =
                format!("Invalid params: {method} does not take parameters of this shape");
            return Err(ErrorData::invalid_params(message, None));
        }
        let message = format!("Method not found: {method}");
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![run_deno_code(
            self.runtime.config(),
            self.runtime.grants(),
        )]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name != RUN_DENO_CODE {
            let name = &request.name;
            let message = format!("Unknown tool: {name}. There is one tool, {RUN_DENO_CODE}");
            return Err(ErrorData::new(ErrorCode::INVALID_PARAMS, message, None));
        }
        if self.draining.load(Ordering::Relaxed) {
            return Ok(failed("The server is shutting down").into());
        }
        let request = match arguments::parse(request.arguments) {
            Ok(request) => request,
            Err(problem) => return Ok(invalid_arguments(&problem).into()),
        };
        let result = match self.run(request, context).await {
            Some(Ok(execution)) => succeeded(execution)?,
            Some(Err(ExecuteError::Invalid(error))) => invalid_arguments(&error.to_string()),
            Some(Err(error)) => failed(&error.to_string()),
            None => failed("Cancelled"),
        };
        Ok(result.into())
    }
}

/// The result as structure and as text: older clients read the text only.
fn succeeded(execution: Execution) -> Result<CallToolResult, ErrorData> {
    let value = serde_json::to_value(ExecutionJson::from(execution))
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(CallToolResult::structured(value))
}

/// A tool error, which the model sees, with the code of invalid parameters,
/// which users of the original know.
fn invalid_arguments(problem: &str) -> CallToolResult {
    let code = ErrorCode::INVALID_PARAMS.0;
    failed(&format!("MCP error {code}: Invalid arguments for tool {RUN_DENO_CODE}: {problem}"))
}

fn failed(message: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}
