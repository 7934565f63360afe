//! The MCP requests that this server answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::FusedFuture;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest,
    CustomResult, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    Implementation, InitializeResult, JsonObject, ListPromptsResult, ListResourcesResult,
    ListToolsResult, NumberOrString, PaginatedRequestParams, ProgressToken, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, Role, ServerCapabilities,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, model::ErrorCode};
use serde_json::Value;

use super::caller::{Client, PeerCaller};
use super::coercion::{self, Arguments};
use super::held::{Held, bytes_of};
use super::packages::Available;
use super::python::{EXECUTE_PYTHON, execute_python};
use super::repeated::{Keyed, Pending};
use super::tool::{RUN_DENO_CODE, run_deno_code};
use super::tools::{self, CreatePlaybook, GetPlaybook};
use super::{ReturnMode, yaml};
use super::{
    arguments, content, discovery, instructions, json, playbooks, progress, prompts, resources,
};
use crate::runtime::{ExecuteError, ExecuteRequest, Execution, Language, Runtime};
use crate::telemetry::TraceParent;
use crate::text::clip::marked;

/// How long a result waits for the progress notifications before it. Less than rmcp
/// waits for handlers when the client has closed its end, 5 s, or the server ends, 2 s:
/// in that time it sends results and no notifications.
const LAST_PROGRESS: Duration = Duration::from_secs(1);

/// Bytes of a progress token, which is in every notification of its call. Clients count,
/// or use UUIDs of 36.
const MAX_PROGRESS_TOKEN: usize = 1 << 10;

/// Bytes of a request that an error quotes; a request may have 16 MiB.
const MAX_QUOTE: usize = 1 << 10;

/// Methods that this server answers.
const OWN_METHODS: [&str; 9] = [
    "initialize",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "server/discover",
    "tools/call",
    "tools/list",
];

/// Of these the ones that 2026-07-28 does not have any more.
const OLD_METHODS: [&str; 2] = ["initialize", "ping"];

/// Since when a server serves, and whether it is about to stop.
pub(super) struct Serving {
    started: Instant,
    draining: AtomicBool,
}

impl Default for Serving {
    fn default() -> Self {
        Self { started: Instant::now(), draining: AtomicBool::new(false) }
    }
}

impl Serving {
    /// Rejects new calls from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The server's side of one connection or session.
#[derive(Clone)]
pub(super) struct Handler {
    runtime: Runtime,
    return_mode: ReturnMode,
    serving: Arc<Serving>,
    /// The client of this connection, once it has called.
    client: Arc<OnceLock<Arc<Client>>>,
}

impl Handler {
    pub(super) fn new(runtime: Runtime, return_mode: ReturnMode, serving: Arc<Serving>) -> Self {
        Self { runtime, return_mode, serving, client: Arc::default() }
    }

    async fn run(
        &self,
        request: ExecuteRequest,
        context: RequestContext<RoleServer>,
    ) -> Option<Result<Execution, ExecuteError>> {
        let token = context.meta.get_progress_token();
        let client = self.client.get_or_init(|| Arc::new(Client::new(context.peer.clone())));
        let caller = Arc::new(PeerCaller::new(client.clone(), context.id.clone()));
        let parent = TraceParent::from_context(&context);
        let request = request.with_caller(caller).with_trace_parent(parent);
        let (execution, events) = self.runtime.stream(request);
        let forwarded = progress::forward(events, context.peer, token);
        let mut forwarded = std::pin::pin!(forwarded.fuse());
        let ended = async {
            let mut execution = std::pin::pin!(execution);
            tokio::select! {
                execution = &mut execution => execution,
                // They cannot be sent any more: the client closed its end.
                () = &mut forwarded => execution.await,
            }
        };
        let execution = tokio::select! {
            // What has a result is not cancelled any more.
            biased;
            execution = ended => execution,
            // Dropping the execution kills the program.
            () = context.ct.cancelled() => return None,
        };
        // Notifications precede the result.
        if !forwarded.is_terminated() {
            tokio::select! {
                () = forwarded => {}
                () = tokio::time::sleep(LAST_PROGRESS) => {}
                () = context.ct.cancelled() => {}
            }
        }
        Some(execution)
    }

    /// Runs a program in the language of a tool.
    async fn run_program(
        &self,
        (tool, language): (&str, Language),
        given: Option<JsonObject>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let keyed = Keyed::of(&context.extensions);
        let was_not_made = || {
            if let Some(Keyed::New(pending)) = &keyed {
                pending.was_not_made();
            }
        };
        if self.serving.is_draining() {
            was_not_made();
            return failed("The server is shutting down");
        }
        let request = match self.parse(language, given).await {
            Ok(request) => request,
            Err(problem) => return invalid_arguments(tool, &problem),
        };
        let held = Held::of(&context.extensions);
        match self.run(request, context).await {
            Some(Ok(execution)) => {
                if let Some(held) = held {
                    held.until_answered(execution.held.clone());
                }
                self.succeeded(execution)
            }
            Some(Err(ExecuteError::Invalid(error))) => invalid_arguments(tool, &error.to_string()),
            Some(Err(error)) => {
                was_not_made();
                failed(&error.to_string())
            }
            None => failed("Cancelled"),
        }
    }

    /// Texts that are data are read here; long ones on a thread for that.
    async fn parse(
        &self,
        language: Language,
        given: Option<JsonObject>,
    ) -> Result<ExecuteRequest, String> {
        match coercion::is_long(given.as_ref()) {
            true => self.runtime.on_thread(move || arguments::parse(language, given)).await?,
            false => arguments::parse(language, given),
        }
    }

    /// The result as structure and as text: older clients read the text only.
    fn succeeded(&self, mut execution: Execution) -> CallToolResult {
        let mut blocks = content::take_blocks(&mut execution.return_value);
        let images = std::mem::take(&mut execution.images);
        let pictures = json::pictures(&images, blocks.len());
        blocks.extend(images.into_iter().map(content::picture));
        // Until the result is made, which is charged to its session then.
        let _held = execution.held.clone();
        match json::structured(execution, pictures) {
            Ok(value) => {
                let mut result = self.structured(value);
                result.content.extend(blocks);
                result
            }
            Err(error) => failed(&error.to_string()),
        }
    }

    fn structured(&self, value: Value) -> CallToolResult {
        let text = match self.return_mode {
            ReturnMode::Json => value.to_string(),
            ReturnMode::Yaml => yaml::to_yaml(&value),
        };
        let mut result = CallToolResult::structured(value);
        result.content = vec![ContentBlock::text(text)];
        result
    }

    async fn call(
        &self,
        name: &str,
        given: Option<JsonObject>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let runtime = &self.runtime;
        Ok(match name {
            RUN_DENO_CODE => {
                let tool = (RUN_DENO_CODE, Language::TypeScript);
                self.run_program(tool, given, context).await
            }
            // Where it is not there, whoever knows its name is told why.
            EXECUTE_PYTHON => {
                self.run_program((EXECUTE_PYTHON, Language::Python), given, context).await
            }
            tools::LIST_MCP_SERVERS => match parsed::<discovery::NoArguments>(name, given) {
                Ok(_) => self.structured(discovery::list_mcp_servers(runtime).await),
                Err(result) => result,
            },
            tools::GET_TOOLS => match parsed(name, given) {
                Ok(given) => self.answered(discovery::get_tools(runtime, given).await),
                Err(result) => result,
            },
            tools::SEARCH_TOOLS => match parsed(name, given) {
                Ok(given) => self.answered(discovery::search_tools(runtime, given).await),
                Err(result) => result,
            },
            tools::DESCRIBE_PACKAGE if !Available::of(runtime).is_empty() => {
                match parsed(name, given) {
                    Ok(given) => {
                        let available = Available::of(runtime);
                        let described = runtime.on_thread(move || available.describe(&given)).await;
                        succeeded_with(described.and_then(|described| described))
                    }
                    Err(result) => result,
                }
            }
            tools::HEALTH => match parsed::<discovery::NoArguments>(name, given) {
                Ok(_) => self.structured(discovery::health(runtime, self.serving.uptime())),
                Err(result) => result,
            },
            tools::LIST_PLAYBOOKS => match parsed::<discovery::NoArguments>(name, given) {
                Ok(_) => {
                    let list = self.blocking(|all| playbooks::list_text(&all.list()));
                    succeeded_with(list.await)
                }
                Err(result) => result,
            },
            tools::GET_PLAYBOOK => match parsed::<GetPlaybook>(name, given) {
                Ok(given) => from_playbooks(
                    self.blocking(move |all| {
                        all.get(&given.folder_name)
                            .map(|playbook| playbooks::get_text(&playbook))
                            .map_err(|error| playbooks::error_text(&error))
                    })
                    .await,
                ),
                Err(result) => result,
            },
            tools::CREATE_PLAYBOOK => match parsed::<CreatePlaybook>(name, given) {
                Ok(given) => from_playbooks(
                    self.blocking(move |all| {
                        let new = crate::playbooks::NewPlaybook::from(given);
                        let (folder, name) = (new.folder.clone(), new.name.clone());
                        all.create(new)
                            .map(|path| playbooks::created_text(&folder, &name, &path))
                            .map_err(|error| playbooks::error_text(&error))
                    })
                    .await,
                ),
                Err(result) => result,
            },
            _ => {
                let names: Vec<_> = self.tools().iter().map(|tool| tool.name.to_string()).collect();
                let name = marked(name, MAX_QUOTE);
                let message =
                    format!("Unknown tool: {name}. Available tools: {}", names.join(", "));
                return Err(ErrorData::new(ErrorCode::INVALID_PARAMS, message, None));
            }
        })
    }

    /// Makes a call that the client may repeat: it goes on when the client goes away, and its
    /// answer is kept.
    async fn call_once(
        &self,
        request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
        pending: Arc<Pending>,
    ) -> Result<CallToolResult, ErrorData> {
        if let Some(stop) = pending.stop() {
            context.ct = stop.child_token();
        }
        let (this, held) = (self.clone(), Held::of(&context.extensions));
        let made = tokio::spawn(async move {
            pending.begins();
            let result = this.call(&request.name, request.arguments, context).await;
            pending.ends(result.as_ref(), held).await;
            result
        });
        let lost = |_| ErrorData::internal_error("The call did not come to its end", None);
        made.await.map_err(lost)?
    }

    /// Does something with files, on a thread for that.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&crate::playbooks::Playbooks) -> T + Send + 'static,
    ) -> Result<T, String> {
        let runtime = self.runtime.clone();
        self.runtime.on_thread(move || work(runtime.playbooks())).await
    }

    fn answered(&self, result: Result<Value, String>) -> CallToolResult {
        match result {
            Ok(value) => self.structured(value),
            Err(problem) => failed(&problem),
        }
    }

    fn tools(&self) -> Vec<rmcp::model::Tool> {
        let available = Available::of(&self.runtime);
        let (config, grants) = (self.runtime.config(), self.runtime.grants());
        let run = run_deno_code(config, grants, &available);
        let python = self.runtime.runs(Language::Python);
        let python =
            python.then(|| execute_python(config, grants, self.runtime.allowed_packages()));
        let describe = (!available.is_empty()).then(tools::describe_package);
        let all = tools::all();
        std::iter::once(run).chain(python).chain(all).chain(describe).collect()
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> InitializeResult {
        let implementation = Implementation::new("mcp-conductor", env!("CARGO_PKG_VERSION"))
            .with_title("MCP Conductor");
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        InitializeResult::new(capabilities).with_server_info(implementation).with_instructions(
            instructions::text(self.runtime.upstreams(), self.runtime.runs(Language::Python)),
        )
    }

    /// A request that rmcp does not know: another method, or one of ours with parameters of
    /// another shape.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        let has_initialize = context.protocol_version().is_none_or(|it| it.has_initialize());
        let is_known = OWN_METHODS.contains(&method.as_str())
            && (has_initialize || !OLD_METHODS.contains(&method.as_str()));
        if is_known {
            let message =
                format!("Invalid params: {method} does not accept parameters of this shape");
            return Err(ErrorData::invalid_params(message, None));
        }
        let message = format!("Method not found: {}", marked(&method, MAX_QUOTE));
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        check_progress_token(context.meta.get_progress_token())?;
        let held = Held::of(&context.extensions);
        let result = match Keyed::of(&context.extensions) {
            None => self.call(&request.name, request.arguments, context).await?,
            Some(Keyed::Made(answer)) => answer.as_ref().clone().into_result()?,
            Some(Keyed::New(pending)) => self.call_once(request, context, pending).await?,
        };
        let kept = match held {
            Some(held) => held.answer(bytes_of(&result)).await,
            None => Ok(()),
        };
        Ok(kept.map_or_else(|unread| failed(&unread.to_string()), |()| result).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = prompts::get(&request.name, &arguments, &Available::of(&self.runtime))
            .map_err(|problem| ErrorData::invalid_params(marked(&problem, MAX_QUOTE), None))?;
        let message = PromptMessage::new_text(Role::User, text);
        Ok(GetPromptResult::new(vec![message]).into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed = self.blocking(|all| resources::list(&all.list())).await;
        let listed = listed.map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(ListResourcesResult::with_all_items(listed))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        // No resource has a longer one.
        let uri = marked(&request.uri, MAX_QUOTE);
        let read = self.blocking(move |all| resources::read(all, &uri)).await;
        Ok(read.map_err(|error| ErrorData::internal_error(error, None))??.into())
    }
}

/// Arguments of a tool, or the result that says what is wrong with them.
fn parsed<T: Arguments>(tool: &str, given: Option<JsonObject>) -> Result<T, CallToolResult> {
    coercion::read(given).map_err(|problem| invalid_arguments(tool, &problem))
}

fn succeeded_with(text: Result<String, String>) -> CallToolResult {
    match text {
        Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(problem) => failed(&problem),
    }
}

fn from_playbooks(result: Result<Result<String, String>, String>) -> CallToolResult {
    succeeded_with(result.and_then(|result| result))
}

/// A tool error, which the model sees, with the code of invalid parameters,
/// as in the Deno version.
fn invalid_arguments(tool: &str, problem: &str) -> CallToolResult {
    let code = ErrorCode::INVALID_PARAMS.0;
    let problem = marked(problem, MAX_QUOTE);
    failed(&format!("MCP error {code}: Invalid arguments for tool {tool}: {problem}"))
}

fn check_progress_token(token: Option<ProgressToken>) -> Result<(), ErrorData> {
    let is_long = |token: &ProgressToken| match &token.0 {
        NumberOrString::String(text) => text.len() > MAX_PROGRESS_TOKEN,
        NumberOrString::Number(_) => false,
    };
    if token.as_ref().is_some_and(is_long) {
        let message =
            format!("Invalid params: progressToken has more than {MAX_PROGRESS_TOKEN} bytes");
        return Err(ErrorData::invalid_params(message, None));
    }
    Ok(())
}

fn failed(message: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}
