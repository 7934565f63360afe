//! What a text takes: `cargo run --release -p mcp-conductor-model --example time -- DIRECTORY`,
//! with a text a line on stdin. Time of the processor, as one thread computes.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use mcp_conductor_model::{Expected, Model, Precision};

fn main() {
    let directory = std::env::args().nth(1).expect("the first argument is a directory");
    let lines: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    assert!(!lines.is_empty(), "stdin has a text a line");
    for precision in [Precision::Best, Precision::Float] {
        let start = Instant::now();
        let model = match Model::open(Path::new(&directory), Expected::Any, precision) {
            Ok(model) => model,
            Err(error) => return eprintln!("{error}"),
        };
        let (loaded, memory) = (start.elapsed(), model.bytes() >> 20);
        println!("{}: loaded in {loaded:.0?}, {memory} MiB", model.arithmetic());
        let mut times: Vec<_> = lines
            .iter()
            .map(|line| {
                let start = Instant::now();
                std::hint::black_box(model.encode(line));
                start.elapsed()
            })
            .collect();
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!("  a text: p50 {:.1?}, p95 {:.1?}", at(50), at(95));
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let start = Instant::now();
        std::hint::black_box(model.encode_all(&texts));
        println!("  together: {:.1?} a text", start.elapsed() / texts.len() as u32);
    }
}
