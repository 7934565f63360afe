//! A child process that is asked one thing: a request on its standard input, the answer on
//! its standard output, notes and errors beside. It ends with whoever asks.

use std::process::Stdio;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::sandbox::sys;
use crate::text::clip::{head, line_of};
use crate::text::escaped::visible_lines;

/// Bytes of an answer: 100 000 modules of 300 bytes each, and half of that again.
const MAX_ANSWER: u64 = 64 << 20;

/// Bytes of its notes and errors that are kept: some hundred lines.
const MAX_ERRORS: usize = 64 << 10;

/// Characters of an error that is passed on.
const MAX_SENTENCE: usize = 2000;

/// What becomes of the notes and errors that a child writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// They are for the user, at once. The last one of a child that fails is its error.
    Shown,
    /// They are kept for an error.
    Kept,
}

/// Why a child has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was not started, or the pipes to it are broken.
    Pipes(std::io::Error),
    /// It has ended without success. What it said last; empty if it said nothing.
    Ended { code: Option<i32>, how: String, said: String },
    /// Its answer is larger than [`MAX_ANSWER`].
    TooLong,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pipes(error) => write!(f, "it does not run: {error}"),
            Self::Ended { how, said, .. } if said.is_empty() => write!(f, "it {how}"),
            Self::Ended { said, .. } => f.write_str(said),
            Self::TooLong => write!(f, "it has answered more than {MAX_ANSWER} bytes"),
        }
    }
}

/// Starts a command with a request on its standard input. Its standard output is the answer.
pub(crate) async fn ask(
    command: &mut Command,
    request: Vec<u8>,
    notes: Notes,
) -> Result<Vec<u8>, Failure> {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A bar needs the terminal itself.
    let shows = notes == Notes::Shown && is_terminal;
    let errors = if shows { Stdio::inherit() } else { Stdio::piped() };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
    // Also with one that is killed itself.
    sys::before_exec(command, || Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    let mut child = command.spawn().map_err(Failure::Pipes)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let written = async move {
        if let Some(mut stdin) = stdin {
            // One that does not read its request says why.
            let _ = stdin.write_all(&request).await;
        }
    };
    let answered = async move {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_ANSWER + 1).read_to_end(&mut answer).await?;
        }
        Ok(answer)
    };
    let said = async move {
        match stderr {
            Some(stderr) => errors_of(stderr, notes).await,
            None => String::new(),
        }
    };
    let ended = async {
        let ((), answer) = tokio::join!(written, answered);
        let answer = answer.map_err(Failure::Pipes)?;
        if answer.len() as u64 > MAX_ANSWER {
            let _ = child.start_kill();
            return Err(Failure::TooLong);
        }
        Ok((answer, wait(&mut child).await?))
    };
    let (ended, said) = tokio::join!(ended, said);
    match ended? {
        (answer, None) => {
            if notes == Notes::Shown {
                show(said.lines().next_back().unwrap_or_default());
            }
            Ok(answer)
        }
        (_, Some((code, how))) => Err(Failure::Ended { code, how, said: last_line(&said) }),
    }
}

/// How a child has ended, if not with success: its exit code, and in words.
async fn wait(child: &mut Child) -> Result<Option<(Option<i32>, String)>, Failure> {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait().await.map_err(Failure::Pipes)?;
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(None),
        // What seals it says so as a shell does.
        (Some(code), _) if code > 128 => format!("was ended by signal {}", code - 128),
        (Some(code), _) => format!("has ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "has ended for an unknown reason".to_owned(),
    };
    Ok(Some((status.code(), how)))
}

fn show(line: &str) {
    if !line.trim().is_empty() {
        eprintln!("{}", visible_lines(line.trim_end()));
    }
}

/// The end of what a child writes to its standard error. Of what is for the user the last line
/// is not shown yet.
async fn errors_of(stderr: impl AsyncRead + Unpin, notes: Notes) -> String {
    let mut kept = Vec::new();
    let mut last = String::new();
    let mut lines = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut lines).take(MAX_ERRORS as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if notes == Notes::Shown {
            show(&last);
            last = String::from_utf8_lossy(&line).into_owned();
        }
        kept.extend_from_slice(&line);
        if kept.len() > MAX_ERRORS {
            kept.drain(..kept.len() - MAX_ERRORS);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn last_line(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    line_of(head(last.unwrap_or_default(), MAX_ERRORS), MAX_SENTENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, request: &str) -> Result<String, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let answer = ask(&mut command, request.as_bytes().to_vec(), Notes::Kept).await;
        match answer {
            Ok(answer) => Ok(String::from_utf8(answer).unwrap()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[tokio::test]
    async fn an_answer_is_what_a_child_writes_to_its_standard_output() {
        assert_eq!(shell("echo note >&2; cat", "{}").await, Ok("{}".to_owned()));
    }

    #[tokio::test]
    async fn the_error_of_a_child_is_what_it_said_last() {
        let failure = shell("echo note >&2; echo 'zod has no sha512' >&2; exit 1", "").await;
        assert_eq!(failure, Err("zod has no sha512".to_owned()));
    }

    #[tokio::test]
    async fn a_child_that_says_nothing_is_described_by_its_end() {
        let failure = shell("kill -9 $$", "").await;
        assert_eq!(failure, Err("it was ended by signal 9".to_owned()));
    }

    #[tokio::test]
    async fn a_child_that_answers_without_end_is_ended() {
        let failure = shell("exec cat /dev/zero", "").await;
        assert!(failure.unwrap_err().contains("has answered more than"));
    }
}
