//! MCP over standard input and output: one JSON-RPC message a line. Both have threads
//! of their own, which nobody else's work can take: they wait in the kernel, and what
//! looks through a long message does not hold the event loop up.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use rmcp::ServiceExt;
use rmcp::service::QuitReason;
use thiserror::Error;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream,
    ReadBuf, duplex,
};
use tokio::sync::{mpsc, oneshot};

use super::ReturnMode;
use super::envelope::{INVALID_REQUEST, answer, id_of_parts, in_place_of, read};
use super::handler::{Handler, Serving};
use super::signals::StopSignal;
use super::timing::timing;
use crate::runtime::Runtime;
use crate::text::broken::END;
use crate::text::mended::mend;

/// Longest line. A program of 1 MiB and its globals, escaped, are below it.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Bytes between the transport and rmcp.
const PIPE_BYTES: usize = 64 << 10;

/// How often a draining server looks whether the last run has ended.
const DRAIN_TURN: Duration = Duration::from_millis(20);

/// Why the server stopped other than by its client's or a signal's wish.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Signal handlers could not be installed.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// There is no thread for standard input or output.
    #[error("standard input and output: {0}")]
    Threads(std::io::Error),
    /// The client's first messages were not those of MCP.
    #[error("{0}")]
    Handshake(String),
    /// The service's task panicked.
    #[error("the service failed: {0}")]
    Service(String),
}

/// Serves one client on standard input and output until it closes its end, or
/// SIGTERM or SIGINT arrives: then runs in flight may finish.
///
/// # Errors
/// [`ServeError`].
pub fn serve_stdio(
    runtime: Runtime,
    return_mode: ReturnMode,
) -> impl Future<Output = Result<(), ServeError>> + Send {
    serve(runtime, return_mode).boxed()
}

async fn serve(runtime: Runtime, return_mode: ReturnMode) -> Result<(), ServeError> {
    let mut stop = StopSignal::new().map_err(ServeError::Signals)?;
    runtime.upstreams().connect_all();
    let serving = Arc::new(Serving::default());
    let handler = Handler::new(runtime.clone(), return_mode, serving.clone());
    let (input, to_service) = duplex(PIPE_BYTES);
    let (from_service, output) = duplex(PIPE_BYTES);
    let (answers, answered) = mpsc::channel(16);
    let reading = read_lines(Blocking(io::stdin()), to_service, answers);
    let _reader = on_a_thread("stdin", reading).map_err(ServeError::Threads)?;
    let writing = write_all(from_service, answered, Blocking(io::stdout()));
    let writer = on_a_thread("stdout", writing).map_err(ServeError::Threads)?;

    let service = tokio::select! {
        service = handler.serve((input, output)) => match service {
            Ok(service) => service,
            // The client went away before it said anything.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => {
                let _ = tokio::time::timeout(timing().drain, writer).await;
                return Ok(());
            }
            Err(error) => return Err(ServeError::Handshake(error.to_string())),
        },
        () = stop.received() => return Ok(()),
    };
    let token = service.cancellation_token();
    let waiting = service.waiting();
    tokio::pin!(waiting);
    let reason = tokio::select! {
        reason = &mut waiting => reason,
        () = stop.received() => {
            serving.drain();
            drained(&runtime, timing().drain).await;
            token.cancel();
            waiting.await
        }
    };
    // What is still in the pipe belongs to the client.
    let _ = tokio::time::timeout(timing().drain, writer).await;
    runtime.upstreams().close().await;
    match reason {
        Ok(QuitReason::JoinError(error)) | Err(error) => {
            Err(ServeError::Service(error.to_string()))
        }
        Ok(_) => Ok(()),
    }
}

/// Does something on a thread of its own, and says when it is done. The thread does not
/// keep the process: a read of standard input may never return.
fn on_a_thread(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let (done, is_done) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        futures::executor::block_on(work);
        let _ = done.send(());
    })?;
    Ok(is_done)
}

/// A stream whose reads and writes block, for a thread that has nothing else to do.
struct Blocking<T>(T);

impl<T: Read + Unpin> AsyncRead for Blocking<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = uninterrupted(|| self.0.read(buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> AsyncWrite for Blocking<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(uninterrupted(|| self.0.write(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(uninterrupted(|| self.0.flush()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Waits for the runs in flight, but no longer than this. Whether all have ended.
pub(super) async fn drained(runtime: &Runtime, at_most: Duration) -> bool {
    let end = tokio::time::Instant::now() + at_most;
    while runtime.active() > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(DRAIN_TURN).await;
    }
    runtime.active() == 0
}

/// Passes lines that are JSON on to rmcp, which drops others without a word,
/// and answers those itself (JSON-RPC 2.0, section 5.1).
async fn read_lines(
    input: impl AsyncRead + Unpin,
    mut service: DuplexStream,
    answers: mpsc::Sender<String>,
) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        match (&mut input).take(limit).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let problem = if line.len() > MAX_LINE_BYTES {
            let Ok(end) = skip_line(&mut input, &line).await else { return };
            Some(answer(
                INVALID_REQUEST,
                &format!("A message is longer than {MAX_LINE_BYTES} bytes"),
                id_of_parts(&line, &end),
            ))
        } else {
            mend(&mut line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (instead, unread) = match read(&line) {
                Ok((_, instead)) => (instead, None),
                Err(unread) => match in_place_of(&line) {
                    Some(error) => (Some(error.into_bytes()), None),
                    None => (None, Some(unread)),
                },
            };
            line = instead.unwrap_or(line);
            unread
        };
        let sent = match problem {
            Some(problem) => answers.send(problem).await.is_ok(),
            None => {
                if !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                service.write_all(&line).await.is_ok()
            }
        };
        if !sent {
            return;
        }
    }
}

/// Reads to the end of a line that begins like this. What it ends with.
async fn skip_line(
    input: &mut (impl AsyncBufReadExt + Unpin),
    start: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut last = start[start.len().saturating_sub(END)..].to_vec();
    if last.ends_with(b"\n") {
        return Ok(last);
    }
    loop {
        let buffer = input.fill_buf().await?;
        let (length, end) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        last.extend_from_slice(&buffer[..length]);
        last.drain(..last.len().saturating_sub(END));
        input.consume(length);
        if end {
            return Ok(last);
        }
    }
}

/// Writes rmcp's lines and our own answers, never one inside the other.
async fn write_all(
    service: DuplexStream,
    mut answers: mpsc::Receiver<String>,
    mut output: impl AsyncWrite + Unpin,
) {
    let mut lines = BufReader::new(service);
    let mut line = Vec::new();
    let mut answering = true;
    loop {
        tokio::select! {
            // Cancellation keeps what was read in `line`.
            read = lines.read_until(b'\n', &mut line) => {
                if !matches!(read, Ok(1..)) && line.is_empty() {
                    break;
                }
                if write(&mut output, &line).await.is_err() {
                    return;
                }
                line.clear();
            }
            answer = answers.recv(), if answering => match answer {
                Some(answer) => {
                    if write(&mut output, answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                None => answering = false,
            },
        }
    }
    // The client may have said nothing after what they answer.
    answers.close();
    while let Some(answer) = answers.recv().await {
        if write(&mut output, answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn write(output: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    output.write_all(bytes).await?;
    output.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_reads_for_ever_keeps_nobody_and_one_that_ends_says_so() {
        let (never, _writer) = io::pipe().unwrap();
        let (service, to_service) = duplex(PIPE_BYTES);
        let (answers, _answered) = mpsc::channel(16);
        let mut reads =
            on_a_thread("reads", read_lines(Blocking(never), to_service, answers)).unwrap();
        assert!(reads.try_recv().is_err());
        drop(service);
        let (service, to_service) = duplex(PIPE_BYTES);
        let (answers, _answered) = mpsc::channel(16);
        let ends = on_a_thread("ends", read_lines(Blocking(io::empty()), to_service, answers));
        futures::executor::block_on(ends.unwrap()).unwrap();
        drop(service);
    }

    #[test]
    fn lines_come_through_threads_as_they_were() {
        let (service, output) = duplex(PIPE_BYTES);
        let (reader, writer) = io::pipe().unwrap();
        let (answers, answered) = mpsc::channel(16);
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\"}}\n", "m".repeat(1 << 20));
        let input = io::Cursor::new(line.clone().into_bytes());
        let _reads = on_a_thread("reads", read_lines(Blocking(input), service, answers)).unwrap();
        let writes = write_all(output, answered, Blocking(writer));
        let writes = on_a_thread("writes", writes).unwrap();
        let mut found = String::new();
        (&reader).read_to_string(&mut found).unwrap();
        assert!(found == line, "{} bytes", found.len());
        futures::executor::block_on(writes).unwrap();
    }

    async fn lines_through(input: &'static [u8]) -> (String, Vec<String>) {
        let (mut service, to_service) = duplex(PIPE_BYTES);
        let (answers, mut answered) = mpsc::channel(16);
        read_lines(input, to_service, answers).await;
        let mut passed = String::new();
        service.read_to_string(&mut passed).await.unwrap();
        let mut problems = Vec::new();
        while let Some(problem) = answered.recv().await {
            problems.push(problem);
        }
        (passed, problems)
    }

    #[tokio::test]
    async fn a_line_that_is_no_json_is_answered_and_the_next_one_passed_on() {
        let (passed, problems) =
            lines_through(b"{bad\n\n{\"jsonrpc\":\"2.0\",\"method\":\"m\"}").await;
        assert_eq!(passed, "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n");
        assert_eq!(
            problems,
            ["{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Parse \
              error: key must be a string at line 1 column 2\"}}\n"]
        );
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_an_error_for_who_asked() {
        let (passed, problems) =
            lines_through(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"a\":NaN}}\n").await;
        let error = "\"error\":{\"code\":-32700,\"message\":\"The answer cannot be read\"}}\n";
        assert_eq!(passed, format!("{{\"jsonrpc\":\"2.0\",\"id\":3,{error}"));
        assert_eq!(problems, [""; 0]);
    }

    #[tokio::test]
    async fn a_line_that_is_no_utf8_is_answered() {
        let (passed, problems) = lines_through(b"{\"a\":\"\xff\"}\n").await;
        assert_eq!(passed, "");
        assert!(problems[0].contains("-32700"), "{problems:?}");
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_answered_and_skipped() {
        let line: Vec<u8> = [
            vec![b'1'; MAX_LINE_BYTES + 100_000],
            b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":2}\n".to_vec(),
        ]
        .concat();
        let (passed, problems) = lines_through(line.leak()).await;
        assert_eq!(passed, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":2}\n");
        assert!(problems[0].contains("longer than 16777216 bytes"), "{problems:?}");
    }

    #[tokio::test]
    async fn json_that_is_no_message_is_answered_with_its_id() {
        let (passed, problems) =
            lines_through(b"[1]\n{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"m\",\"params\":3}\n")
                .await;
        assert_eq!(passed, "");
        assert_eq!(
            problems,
            [
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"Invalid request: not a JSON-RPC object\"}}\n",
                "{\"jsonrpc\":\"2.0\",\"id\":8,\"error\":{\"code\":-32600,\"message\":\"Invalid \
                 request: params must be an object\"}}\n",
            ]
        );
    }

    /// The client closes its end right after a line that is answered with an error.
    #[tokio::test]
    async fn answers_that_wait_are_written_when_the_service_has_ended() {
        for _ in 0..20 {
            let (service, _) = duplex(PIPE_BYTES);
            let (answers, answered) = mpsc::channel(16);
            answers.try_send("an error\n".to_owned()).expect("there is room");
            let mut output = Vec::new();
            write_all(service, answered, &mut output).await;
            assert_eq!(output, b"an error\n");
        }
    }
}
