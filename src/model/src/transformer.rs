//! BERT's encoder: embeddings, layers of attention and of a perceptron, each added to what goes
//! in and normalised.

use crate::files::{Tensor, Tensors};
use crate::linear::{Arithmetic, Linear, Table};
use crate::numbers::{Norm, gelu, normalise, softmax, sum};
use crate::sys::{Matrix, product};
use crate::wordpiece::MAX_PIECES;

/// Numbers of an attention head, in every model of the family: 384 / 12.
const HEAD: usize = 32;

/// Layers, and numbers of a hidden row, that a model may have: twice those of the largest of the
/// family, all-MiniLM-L12-v2.
const MAX_LAYERS: usize = 24;
const MAX_HIDDEN: usize = 768;

#[derive(Debug)]
pub(crate) struct Transformer {
    words: Words,
    /// Each with the embedding of the type of the first text added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    hidden: usize,
}

/// Embeddings of pieces.
#[derive(Debug)]
enum Words {
    Float(Vec<f32>),
    Integer(Table),
}

#[derive(Debug)]
struct Layer {
    /// Queries, keys and values, beside each other.
    attention: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    norm: Norm,
}

/// Takes tensors by their names, and sees to their shapes.
struct Source(Tensors);

impl Source {
    fn tensor(&mut self, name: &str) -> Result<Tensor, String> {
        self.0.remove(name).ok_or_else(|| format!("it does not have {name} in 32-bit floats"))
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            return Err(format!("{name} has shape {:?} instead of {shape:?}", tensor.shape));
        }
        Ok(tensor.numbers)
    }

    fn norm(&mut self, name: &str, hidden: usize) -> Result<Norm, String> {
        let weights = self.take(&format!("{name}.LayerNorm.weight"), &[hidden])?;
        Ok(Norm { weights, biases: self.take(&format!("{name}.LayerNorm.bias"), &[hidden])? })
    }

    /// Weights with a row for each output, and biases.
    fn dense(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), String> {
        let weights = self.take(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok((weights, self.take(&format!("{name}.bias"), &[outputs])?))
    }
}

impl Transformer {
    /// The model of these tensors, with so many pieces.
    pub(crate) fn new(
        tensors: Tensors,
        pieces: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, String> {
        let mut source = Source(tensors);
        let words = source.tensor("embeddings.word_embeddings.weight")?;
        let hidden = words.shape.last().copied().unwrap_or_default();
        if hidden == 0 || hidden > MAX_HIDDEN || !hidden.is_multiple_of(HEAD) {
            return Err(format!(
                "its vectors have {hidden} numbers: they have a multiple of {HEAD}, at most \
                 {MAX_HIDDEN}"
            ));
        }
        if words.shape != [pieces, hidden] {
            let shape = words.shape;
            return Err(format!("it has embeddings of shape {shape:?} for {pieces} pieces"));
        }
        let words = match arithmetic {
            Arithmetic::Float => Words::Float(words.numbers),
            Arithmetic::Integer(_) => Words::Integer(Table::new(&words.numbers, hidden)),
        };
        let positions = positions(&mut source, hidden)?;
        let norm = source.norm("embeddings", hidden)?;
        let mut layers = Vec::new();
        while source.0.contains_key(&intermediate(layers.len())) {
            if layers.len() == MAX_LAYERS {
                return Err(format!("it has more than {MAX_LAYERS} layers"));
            }
            layers.push(Layer::new(&mut source, layers.len(), hidden, arithmetic)?);
        }
        match layers.is_empty() {
            true => Err(format!("it does not have {} in 32-bit floats", intermediate(0))),
            false => Ok(Self { words, positions, norm, layers, hidden }),
        }
    }

    /// Numbers of a vector.
    pub(crate) fn dimensions(&self) -> usize {
        self.hidden
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let words = match &self.words {
            Words::Float(words) => size_of_val(words.as_slice()),
            Words::Integer(words) => words.bytes(),
        };
        let layers = self.layers.iter().map(Layer::bytes).sum::<usize>();
        words + size_of_val(self.positions.as_slice()) + layers
    }

    /// The vector of each text: the mean of its pieces' last rows, of length 1. A text has
    /// between 1 and [`MAX_PIECES`] pieces, all of the vocabulary.
    pub(crate) fn encode(&self, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
        let rows: usize = texts.iter().map(Vec::len).sum();
        if rows == 0 {
            return Vec::new();
        }
        let mut hidden = vec![0.0; rows * self.hidden];
        let places = texts.iter().flat_map(|pieces| pieces.iter().enumerate());
        for (row, (position, piece)) in hidden.chunks_exact_mut(self.hidden).zip(places) {
            self.embed(position, *piece as usize, row);
        }
        self.norm.apply(&mut hidden);
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut work = Work::default();
        for layer in &self.layers {
            layer.apply(&mut hidden, &lengths, &mut work);
        }
        let mut rest = hidden.as_slice();
        let text = |length: &usize| {
            let (rows, after) = rest.split_at(length * self.hidden);
            rest = after;
            mean(rows, self.hidden)
        };
        lengths.iter().map(text).collect()
    }

    fn embed(&self, position: usize, piece: usize, row: &mut [f32]) {
        match &self.words {
            Words::Float(words) => row.copy_from_slice(&words[piece * self.hidden..][..row.len()]),
            Words::Integer(words) => words.write(piece, row),
        }
        let position = &self.positions[position * self.hidden..];
        row.iter_mut().zip(position).for_each(|(number, position)| *number += position);
    }
}

fn positions(source: &mut Source, hidden: usize) -> Result<Vec<f32>, String> {
    let name = "embeddings.position_embeddings.weight";
    let positions = source.tensor(name)?;
    let is_usable = positions.shape.len() == 2
        && positions.shape[0] >= MAX_PIECES
        && positions.shape[1] == hidden;
    if !is_usable {
        return Err(format!(
            "{name} has shape {:?}: it has rows of {hidden} numbers, at least {MAX_PIECES}",
            positions.shape
        ));
    }
    let types = source.take("embeddings.token_type_embeddings.weight", &[2, hidden])?;
    let mut positions = positions.numbers;
    positions.truncate(MAX_PIECES * hidden);
    for row in positions.chunks_exact_mut(hidden) {
        row.iter_mut().zip(&types).for_each(|(number, it)| *number += it);
    }
    Ok(positions)
}

fn mean(rows: &[f32], columns: usize) -> Vec<f32> {
    let mut mean = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        mean.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
    }
    // The length is 1 in the end, whatever the sum is divided by.
    normalise(&mut mean);
    if sum(&mean, |number| number).is_finite() { mean } else { vec![0.0; columns] }
}

/// Rows between layers: kept from one to the next.
#[derive(Default)]
struct Work {
    attention: Vec<f32>,
    context: Vec<f32>,
    scores: Vec<f32>,
    output: Vec<f32>,
    intermediate: Vec<f32>,
}

/// The tensor that says how many numbers the perceptron of a layer has.
fn intermediate(layer: usize) -> String {
    format!("encoder.layer.{layer}.intermediate.dense.weight")
}

impl Layer {
    fn new(
        source: &mut Source,
        number: usize,
        hidden: usize,
        arithmetic: Arithmetic,
    ) -> Result<Self, String> {
        let name = format!("encoder.layer.{number}");
        let wide = source.0[&intermediate(number)].shape[0];
        if wide == 0 || wide > 4 * MAX_HIDDEN || !wide.is_multiple_of(HEAD) {
            return Err(format!(
                "layer {number} has {wide} numbers within: it has a multiple of {HEAD}, at most {}",
                4 * MAX_HIDDEN
            ));
        }
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for part in ["query", "key", "value"] {
            let part = source.dense(&format!("{name}.attention.self.{part}"), hidden, hidden)?;
            weights.extend(part.0);
            biases.extend(part.1);
        }
        let mut linear = |within: &str, inputs, outputs| {
            let (weights, biases) =
                source.dense(&format!("{name}.{within}.dense"), inputs, outputs)?;
            Ok::<_, String>(Linear::new(weights, biases, arithmetic))
        };
        Ok(Self {
            attention: Linear::new(weights, biases, arithmetic),
            attention_output: linear("attention.output", hidden, hidden)?,
            intermediate: linear("intermediate", hidden, wide)?,
            output: linear("output", wide, hidden)?,
            attention_norm: source.norm(&format!("{name}.attention.output"), hidden)?,
            norm: source.norm(&format!("{name}.output"), hidden)?,
        })
    }

    fn bytes(&self) -> usize {
        let Self { attention, attention_output, intermediate, output, .. } = self;
        [attention, attention_output, intermediate, output].iter().map(|it| it.bytes()).sum()
    }

    /// Replaces the rows of texts of these lengths.
    fn apply(&self, rows: &mut [f32], lengths: &[usize], work: &mut Work) {
        let hidden = self.output.outputs();
        let count = rows.len() / hidden;
        work.attention.resize(count * 3 * hidden, 0.0);
        self.attention.apply(rows, &mut work.attention);
        work.context.resize(count * hidden, 0.0);
        let mut first = 0;
        for length in lengths {
            let attention = &work.attention[first * 3 * hidden..][..length * 3 * hidden];
            let context = &mut work.context[first * hidden..][..length * hidden];
            attend(attention, *length, hidden, &mut work.scores, context);
            first += length;
        }
        work.output.resize(count * hidden, 0.0);
        self.attention_output.apply(&work.context, &mut work.output);
        add(rows, &work.output);
        self.attention_norm.apply(rows);
        work.intermediate.resize(count * self.intermediate.outputs(), 0.0);
        self.intermediate.apply(rows, &mut work.intermediate);
        gelu(&mut work.intermediate);
        self.output.apply(&work.intermediate, &mut work.output);
        add(rows, &work.output);
        self.norm.apply(rows);
    }
}

/// Scaled dot-product attention of one text: each head's rows of values, by how well keys fit.
fn attend(rows: &[f32], count: usize, hidden: usize, scores: &mut Vec<f32>, out: &mut [f32]) {
    let stride = 3 * hidden;
    scores.resize(count * count, 0.0);
    for head in (0..hidden).step_by(HEAD) {
        let queries = Matrix::new(&rows[head..], count, HEAD, stride);
        let keys = Matrix::new(&rows[hidden + head..], count, HEAD, stride);
        let values = Matrix::new(&rows[2 * hidden + head..], count, HEAD, stride);
        let scores = scores.as_mut_slice();
        product(queries, keys.transposed(), 1.0 / (HEAD as f32).sqrt(), scores, count);
        softmax(scores, count);
        let scores = Matrix::new(scores, count, count, count);
        product(scores, values, 1.0, &mut out[head..], hidden);
    }
}

fn add(rows: &mut [f32], others: &[f32]) {
    rows.iter_mut().zip(others).for_each(|(number, other)| *number += other);
}
