//! One linear layer: weights, biases, and the arithmetic that the processor has for it.

use crate::sys::{GROUP_OUTPUTS, Group, Kernel, Matrix, product};

/// The largest magnitude of an 8-bit weight or input.
const LARGEST: f32 = 127.0;

/// Rows that are computed before they become floats again: 64 x 1536 sums have 393 kB, which the
/// second-level cache holds beside the weights.
const ROWS: usize = 64;

/// What a model computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Float,
    Integer(Kernel),
}

/// A linear layer.
#[derive(Debug)]
pub(crate) struct Linear {
    inputs: usize,
    biases: Vec<f32>,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    /// A row for each output.
    Float(Vec<f32>),
    Integer(Integers),
}

impl Linear {
    /// The layer of weights that have a row for each output. There are multiples of 4 inputs
    /// and of 16 outputs.
    pub(crate) fn new(weights: Vec<f32>, biases: Vec<f32>, arithmetic: Arithmetic) -> Self {
        let inputs = weights.len() / biases.len();
        let weights = match arithmetic {
            Arithmetic::Float => Weights::Float(weights),
            Arithmetic::Integer(kernel) => {
                Weights::Integer(Integers::new(&weights, inputs, kernel))
            }
        };
        Self { inputs, biases, weights }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.biases.len()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let weights = match &self.weights {
            Weights::Float(weights) => size_of_val(weights.as_slice()),
            Weights::Integer(weights) => weights.bytes(),
        };
        weights + size_of_val(self.biases.as_slice())
    }

    /// Writes the outputs of each row of inputs.
    pub(crate) fn apply(&self, rows: &[f32], out: &mut [f32]) {
        let (count, outputs) = (rows.len() / self.inputs, self.outputs());
        let out = &mut out[..count * outputs];
        match &self.weights {
            Weights::Float(weights) => {
                let inputs = Matrix::new(rows, count, self.inputs, self.inputs);
                let weights = Matrix::new(weights, outputs, self.inputs, self.inputs);
                product(inputs, weights.transposed(), 1.0, out, outputs);
            }
            Weights::Integer(weights) => weights.apply(rows, self.inputs, out),
        }
        for row in out.chunks_exact_mut(outputs) {
            row.iter_mut().zip(&self.biases).for_each(|(number, bias)| *number += bias);
        }
    }
}

/// Weights as 8-bit integers, with a scale for each output.
#[derive(Debug)]
struct Integers {
    kernel: Kernel,
    groups: Vec<Group>,
    scales: Vec<f32>,
    /// What the kernel's offset of inputs adds to each sum.
    surplus: Vec<i32>,
}

impl Integers {
    fn new(weights: &[f32], inputs: usize, kernel: Kernel) -> Self {
        let outputs = weights.len() / inputs;
        let words = inputs / 4;
        let mut groups = vec![[0; 4 * GROUP_OUTPUTS]; outputs / GROUP_OUTPUTS * words];
        let (mut scales, mut surplus) = (Vec::new(), Vec::new());
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            let scale = scale_of(row);
            let mut sum = 0;
            for (input, weight) in row.iter().enumerate() {
                let integer = rounded(*weight, scale);
                sum += integer;
                let group = &mut groups[output / GROUP_OUTPUTS * words + input / 4];
                group[output % GROUP_OUTPUTS * 4 + input % 4] = integer as i8;
            }
            scales.push(scale);
            surplus.push(sum * kernel.offset());
        }
        Self { kernel, groups, scales, surplus }
    }

    fn bytes(&self) -> usize {
        size_of_val(self.groups.as_slice())
            + size_of_val(self.scales.as_slice())
            + size_of_val(self.surplus.as_slice())
    }

    fn apply(&self, rows: &[f32], inputs: usize, out: &mut [f32]) {
        let (words, outputs) = (inputs / 4, self.scales.len());
        let mut packed = Vec::with_capacity(ROWS * words);
        let mut sums = vec![0; ROWS * outputs];
        for (rows, out) in rows.chunks(ROWS * inputs).zip(out.chunks_mut(ROWS * outputs)) {
            packed.clear();
            let scales: Vec<f32> = rows
                .chunks_exact(inputs)
                .map(|row| pack(row, self.kernel.offset(), &mut packed))
                .collect();
            let sums = &mut sums[..out.len()];
            self.kernel.sums(&packed, words, &self.groups, sums);
            let sums = sums.chunks_exact(outputs).zip(out.chunks_exact_mut(outputs));
            for ((sums, out), scale) in sums.zip(scales) {
                self.restore(sums, scale, out);
            }
        }
    }

    fn restore(&self, sums: &[i32], scale: f32, out: &mut [f32]) {
        let weights = self.scales.iter().zip(&self.surplus);
        for ((out, sum), (weight_scale, surplus)) in out.iter_mut().zip(sums).zip(weights) {
            *out = (sum - surplus) as f32 * (scale * weight_scale);
        }
    }
}

/// Writes a row as bytes, four in a word, and answers its scale.
fn pack(row: &[f32], offset: i32, words: &mut Vec<u32>) -> f32 {
    let scale = scale_of(row);
    let (fours, _) = row.as_chunks::<4>();
    words.extend(fours.iter().map(|four| {
        u32::from_le_bytes(four.map(|number| (rounded(number, scale) + offset) as u8))
    }));
    scale
}

/// What the largest magnitude of a row is divided by to be [`LARGEST`].
fn scale_of(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
    if largest > 0.0 { largest / LARGEST } else { 1.0 }
}

/// The integer that is nearest, of halves the one away from zero; of what is not a number, 0.
fn rounded(number: f32, scale: f32) -> i32 {
    let number = number / scale;
    (number + 0.5_f32.copysign(number)).clamp(-LARGEST, LARGEST) as i32
}

/// Rows of 8-bit integers, each with a scale: a table that is too large for floats.
#[derive(Debug)]
pub(crate) struct Table {
    columns: usize,
    integers: Vec<i8>,
    scales: Vec<f32>,
}

impl Table {
    pub(crate) fn new(numbers: &[f32], columns: usize) -> Self {
        let scales: Vec<f32> = numbers.chunks_exact(columns).map(scale_of).collect();
        let rows = numbers.chunks_exact(columns).zip(&scales);
        let integers =
            rows.flat_map(|(row, scale)| row.iter().map(|number| rounded(*number, *scale) as i8));
        Self { columns, integers: integers.collect(), scales }
    }

    /// Writes a row, which there is.
    pub(crate) fn write(&self, row: usize, out: &mut [f32]) {
        let scale = self.scales[row];
        let integers = &self.integers[row * self.columns..][..self.columns];
        out.iter_mut().zip(integers).for_each(|(out, it)| *out = f32::from(*it) * scale);
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.integers.len() + size_of_val(self.scales.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_rounded_and_kept_in_their_range() {
        for (number, expected) in
            [(0.4, 0), (0.5, 1), (-0.5, -1), (126.6, 127), (-400.0, -127), (f32::NAN, 0)]
        {
            assert_eq!(rounded(number, 1.0), expected, "{number}");
        }
        assert_eq!(scale_of(&[0.0, 0.0]), 1.0);
    }

    #[test]
    fn a_layer_of_integers_is_near_the_one_of_floats() {
        let weights: Vec<f32> = (0..64 * 32).map(|at| (at as f32 * 0.7).sin()).collect();
        let biases: Vec<f32> = (0..32).map(|at| at as f32 / 10.0).collect();
        let rows: Vec<f32> = (0..70 * 64).map(|at| (at as f32 * 1.3).cos()).collect();
        let apply = |arithmetic| {
            let mut out = vec![0.0; 70 * 32];
            Linear::new(weights.clone(), biases.clone(), arithmetic).apply(&rows, &mut out);
            out
        };
        let expected = apply(Arithmetic::Float);
        for kernel in Kernel::all() {
            let found = apply(Arithmetic::Integer(kernel));
            let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            // 64 products of numbers up to 1, each wrong by at most 2 x 1/254.
            assert!(difference.fold(0.0, f32::max) < 0.2, "{kernel:?}");
        }
    }
}
