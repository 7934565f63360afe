use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::*;
use crate::files::{self, Tensors};

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HIDDEN: usize = 64;
const WIDE: usize = 128;
const LAYERS: usize = 2;
const PIECES: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nopen\n##s\na\nticket\nfile\n.";

/// Numbers between -1 and 1, the same each time.
fn random(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The tensors of a small model.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![10, HIDDEN]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![300, HIDDEN]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, HIDDEN]),
    ];
    let mut norm = |name: String| {
        shapes.push((format!("{name}.LayerNorm.weight"), vec![HIDDEN]));
        shapes.push((format!("{name}.LayerNorm.bias"), vec![HIDDEN]));
    };
    norm("embeddings".to_owned());
    for layer in 0..LAYERS {
        norm(format!("encoder.layer.{layer}.attention.output"));
        norm(format!("encoder.layer.{layer}.output"));
    }
    for layer in 0..LAYERS {
        for (name, inputs, outputs) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", HIDDEN, WIDE),
            ("output.dense", WIDE, HIDDEN),
        ] {
            let name = format!("encoder.layer.{layer}.{name}");
            shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
            shapes.push((format!("{name}.bias"), vec![outputs]));
        }
    }
    shapes
}

/// Writes a small model, with what a test changes of its shapes.
fn small(name: &str, change: impl Fn(&mut Vec<(String, Vec<usize>)>)) -> Scratch {
    let directory =
        std::env::temp_dir().join(format!("conductor-model-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut shapes = shapes();
    change(&mut shapes);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = (1..)
        .zip(shapes)
        .map(|(seed, (name, shape))| {
            let numbers = random(shape.iter().product(), seed);
            // As those of a model: norms near 1, sums of products near 1.
            let numbers = numbers.into_iter().map(|it| match name.ends_with("LayerNorm.weight") {
                true => 1.0 + it / 4.0,
                false => it / 3.0,
            });
            let bytes = numbers.flat_map(f32::to_le_bytes).collect();
            (name, shape, bytes)
        })
        .collect();
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        })
        .collect();
    safetensors::serialize_to_file(views, None, &directory.join(WEIGHTS)).unwrap();
    fs::write(directory.join(VOCABULARY), PIECES).unwrap();
    Scratch(directory)
}

/// The encoder as its definition says, one number after the other, in 64 bits.
struct Slow(Tensors);

impl Slow {
    fn get(&self, name: &str) -> Vec<f64> {
        self.0[name].numbers.iter().map(|number| f64::from(*number)).collect()
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let (weight, bias) = (
            self.get(&format!("{name}.LayerNorm.weight")),
            self.get(&format!("{name}.LayerNorm.bias")),
        );
        let number = |at: usize| (row[at] - mean) / (variance + 1e-12).sqrt();
        (0..row.len()).map(|at| number(at) * weight[at] + bias[at]).collect()
    }

    fn dense(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let weights = self.get(&format!("{name}.weight"));
        let biases = self.get(&format!("{name}.bias"));
        let product = |weights: &[f64]| weights.iter().zip(row).map(|(a, b)| a * b).sum::<f64>();
        weights.chunks(row.len()).zip(biases).map(|(it, bias)| product(it) + bias).collect()
    }

    fn attend(&self, layer: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let part = |part: &str| -> Vec<Vec<f64>> {
            rows.iter()
                .map(|it| self.dense(&format!("{layer}.attention.self.{part}"), it))
                .collect()
        };
        let (queries, keys, values) = (part("query"), part("key"), part("value"));
        let row = |query: &Vec<f64>| -> Vec<f64> {
            let number = |at: usize| {
                let head = at / 32 * 32..at / 32 * 32 + 32;
                let score = |key: &Vec<f64>| {
                    let products = head.clone().map(|it| query[it] * key[it]);
                    (products.sum::<f64>() / 32_f64.sqrt()).exp()
                };
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let sum: f64 = scores.iter().sum();
                scores.iter().zip(&values).map(|(score, value)| score / sum * value[at]).sum()
            };
            (0..query.len()).map(number).collect()
        };
        queries.iter().map(row).collect()
    }

    fn encode(&self, pieces: &[u32]) -> Vec<f64> {
        let (words, positions, types) = (
            self.get("embeddings.word_embeddings.weight"),
            self.get("embeddings.position_embeddings.weight"),
            self.get("embeddings.token_type_embeddings.weight"),
        );
        let embedded = pieces.iter().enumerate().map(|(position, piece)| {
            let number = |at: usize| {
                words[*piece as usize * HIDDEN + at] + positions[position * HIDDEN + at] + types[at]
            };
            self.norm("embeddings", &(0..HIDDEN).map(number).collect::<Vec<_>>())
        });
        let mut rows: Vec<Vec<f64>> = embedded.collect();
        for layer in 0..LAYERS {
            let layer = format!("encoder.layer.{layer}");
            let attended = self.attend(&layer, &rows);
            for (row, attended) in rows.iter_mut().zip(attended) {
                let name = format!("{layer}.attention.output");
                let attended = self.dense(&format!("{name}.dense"), &attended);
                let middle = self.norm(&name, &sum(row, &attended));
                let wide = self.dense(&format!("{layer}.intermediate.dense"), &middle);
                let wide: Vec<f64> = wide.into_iter().map(gelu).collect();
                let name = format!("{layer}.output");
                let out = self.dense(&format!("{name}.dense"), &wide);
                *row = self.norm(&name, &sum(&middle, &out));
            }
        }
        let mean = rows.iter().fold(vec![0.0; HIDDEN], |mean, row| sum(&mean, row));
        let length = mean.iter().map(|it| it * it).sum::<f64>().sqrt();
        mean.into_iter().map(|it| it / length).collect()
    }
}

fn sum(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a + b).collect()
}

/// By the series of the error function.
fn gelu(x: f64) -> f64 {
    let z = x / 2_f64.sqrt();
    let mut term = z;
    let mut erf = z;
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        erf += term / f64::from(2 * n + 1);
    }
    0.5 * x * (1.0 + erf * std::f64::consts::FRAC_2_SQRT_PI)
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn texts() -> Vec<String> {
    let long = "open a ticket files. ".repeat(60);
    ["", "open", "Opens a ticket.", "a file . a zebra", &long].map(str::to_owned).to_vec()
}

/// Each arithmetic that there is on this processor.
fn arithmetics() -> Vec<Arithmetic> {
    let integers = Kernel::all().into_iter().map(Arithmetic::Integer);
    [Arithmetic::Float].into_iter().chain(integers).collect()
}

#[test]
fn vectors_are_those_of_the_definition() {
    let scratch = small("slow", |_| {});
    let slow = Slow(files::tensors(&scratch.0).unwrap().0);
    for arithmetic in arithmetics() {
        let model = Model::with(&scratch.0, Expected::Any, arithmetic).unwrap();
        assert_eq!(model.dimensions(), HIDDEN);
        for text in texts() {
            let expected = slow.encode(&model.pieces(&text));
            let expected: Vec<f32> = expected.into_iter().map(|it| it as f32).collect();
            let found = cosine(&model.encode(&text), &expected);
            let least = if arithmetic == Arithmetic::Float { 0.999_999 } else { 0.99 };
            assert!(found >= least, "{arithmetic:?}, {text:?}: {found}");
        }
    }
}

#[test]
fn texts_that_are_encoded_together_have_the_same_vectors() {
    let scratch = small("batch", |_| {});
    for arithmetic in arithmetics() {
        let model = Model::with(&scratch.0, Expected::Any, arithmetic).unwrap();
        let texts: Vec<String> = texts().into_iter().cycle().take(23).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = model.encode_all(&texts);
        assert_eq!(together.len(), texts.len());
        for (text, vector) in texts.iter().zip(together) {
            let found = cosine(&model.encode(text), &vector);
            assert!(found > 0.9999, "{arithmetic:?}, {text:?}: {found}");
        }
        assert!(model.encode_all(&[]).is_empty());
    }
}

#[test]
fn an_identity_is_of_the_contents_of_both_files() {
    let scratch = small("identity", |_| {});
    let identity = || {
        let model = Model::open(&scratch.0, Expected::Any, Precision::Best).unwrap();
        model.identity().to_owned()
    };
    let first = identity();
    assert_eq!(identity(), first);
    fs::write(scratch.0.join(VOCABULARY), PIECES.replace("ticket", "invoice")).unwrap();
    assert_ne!(identity(), first);
}

fn problem(scratch: &Scratch, expected: Expected) -> String {
    Model::open(&scratch.0, expected, Precision::Best).unwrap_err().to_string()
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_named_with_both_sums() {
    let scratch = small("pinned", |_| {});
    let text = problem(&scratch, Expected::MiniLm);
    assert!(text.contains("vocab.txt has SHA-256 ") && text.contains(VOCABULARY_SHA256), "{text}");
}

#[test]
fn a_model_of_another_shape_is_an_error_that_names_the_tensor() {
    let change = |name: &'static str, shape: &'static [usize]| {
        move |shapes: &mut Vec<(String, Vec<usize>)>| {
            shapes.retain(|it| it.0 != name || !shape.is_empty());
            shapes.iter_mut().filter(|it| it.0 == name).for_each(|it| it.1 = shape.to_vec());
        }
    };
    for (name, shape, expected) in [
        ("embeddings.word_embeddings.weight", &[9, HIDDEN][..], "[9, 64] for 10 pieces"),
        ("embeddings.word_embeddings.weight", &[10, 40], "vectors have 40 numbers"),
        ("embeddings.position_embeddings.weight", &[10, HIDDEN], "at least 256"),
        ("encoder.layer.0.intermediate.dense.weight", &[], "does not have encoder.layer.0.inter"),
        ("encoder.layer.1.output.dense.bias", &[], "does not have encoder.layer.1.output.dense.b"),
        ("encoder.layer.1.output.dense.bias", &[HIDDEN - 1], "has shape [63] instead of [64]"),
        ("encoder.layer.1.intermediate.dense.weight", &[30, HIDDEN], "has 30 numbers within"),
    ] {
        let scratch = small("shape", change(name, shape));
        let text = problem(&scratch, Expected::Any);
        assert!(text.contains(expected), "{name}: {text}");
    }
}

#[test]
fn a_file_that_is_cut_or_is_something_else_is_an_error() {
    let scratch = small("cut", |_| {});
    let path = scratch.0.join(WEIGHTS);
    let whole = fs::read(&path).unwrap();
    for (bytes, expected) in [
        (&whole[..whole.len() - 1], "its length is not what its header says"),
        (&whole[..4], "it ends within"),
        (&b"\xff\xff\xff\xff\xff\xff\xff\xff{}"[..], "its header has 18446744073709551615 bytes"),
        (b"\x02\0\0\0\0\0\0\0[]", "not one of safetensors"),
    ] {
        fs::write(&path, bytes).unwrap();
        let text = problem(&scratch, Expected::Any);
        assert!(text.contains(expected), "{text}");
    }
    fs::remove_file(&path).unwrap();
    assert!(problem(&scratch, Expected::Any).contains("No such file"));
    fs::write(scratch.0.join(VOCABULARY), "[CLS]\n").unwrap();
    assert!(problem(&scratch, Expected::Any).contains("does not have the piece [SEP]"));
}

#[test]
fn a_file_without_end_is_not_read() {
    let scratch = small("large", |_| {});
    let file = fs::File::create(scratch.0.join(WEIGHTS)).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(problem(&scratch, Expected::Any).contains("which is the limit"));
}

/// Where the real model is: as `mcp-conductor install search-model` has put it.
const DIRECTORY: &str = "MCP_CONDUCTOR_TEST_MODEL";

fn real() -> Option<PathBuf> {
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    if directory.is_none() {
        eprintln!("SKIPPED: {DIRECTORY} does not name a directory with all-MiniLM-L6-v2");
    }
    directory
}

#[test]
fn the_real_model_has_the_similarities_that_its_authors_publish() {
    let Some(directory) = real() else { return };
    // The first example of the documentation of sentence-transformers.
    let texts =
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."];
    for arithmetic in arithmetics() {
        let model = Model::with(&directory, Expected::MiniLm, arithmetic).unwrap();
        let vectors = model.encode_all(&texts);
        let tolerance = if arithmetic == Arithmetic::Float { 1e-4 } else { 0.02 };
        for (left, right, expected) in [(0, 1, 0.6660), (0, 2, 0.1046), (1, 2, 0.1411)] {
            let found = cosine(&vectors[left], &vectors[right]);
            let difference = (found - expected).abs();
            assert!(difference < tolerance, "{arithmetic:?}, {left} and {right}: {found}");
        }
    }
}

#[test]
fn the_real_model_splits_texts_as_its_own_tokenizer_does() {
    let Some(directory) = real() else { return };
    let (vocabulary, _) = files::vocabulary(&directory).unwrap();
    for (text, expected) in [
        ("Hello, world!", &[101, 7592, 1010, 2088, 999, 102][..]),
        ("tokenization", &[101, 19204, 3989, 102]),
        ("Zürich café", &[101, 10204, 7668, 102]),
    ] {
        assert_eq!(vocabulary.pieces(text), expected, "{text}");
    }
}

#[test]
fn the_real_model_in_integers_is_near_the_one_in_floats() {
    let Some(directory) = real() else { return };
    let floats = Model::with(&directory, Expected::MiniLm, Arithmetic::Float).unwrap();
    let texts = [
        "create issue: Open a new ticket in a repository",
        "list files: Names of the files in a directory, with their sizes",
        "search: Finds anything",
        "how do I send an e-mail to everybody who has not paid the invoice yet?",
        "文件 删除",
        "issue",
    ];
    for kernel in Kernel::all() {
        let arithmetic = Arithmetic::Integer(kernel);
        let integers = Model::with(&directory, Expected::MiniLm, arithmetic).unwrap();
        for text in texts {
            let found = cosine(&integers.encode(text), &floats.encode(text));
            eprintln!("{}: {found} for {text:?}", kernel.name());
            assert!(found >= 0.99, "{kernel:?}, {text:?}: {found}");
        }
    }
}
