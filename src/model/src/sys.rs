//! What needs pointers or instructions that not every processor has: products of matrices, in
//! 32-bit floats with `gemm`, and in 8-bit integers with AVX2 or AVX-512 VNNI.

#[cfg(target_arch = "x86_64")]
mod x86;

/// A part of a slice that is read as a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that lie at a distance from each other.
    ///
    /// # Panics
    /// If the slice ends before the last number.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows > 0 && columns > 0 && (rows - 1) * row_stride + columns <= data.len());
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Writes the product, times a factor, to rows that lie at a distance from each other.
///
/// # Panics
/// If the shapes do not fit, or the slice ends before the last number.
pub(crate) fn product(
    left: Matrix<'_>,
    right: Matrix<'_>,
    factor: f32,
    out: &mut [f32],
    out_stride: usize,
) {
    assert_eq!(left.columns, right.rows);
    assert!(out_stride >= right.columns);
    assert!((left.rows - 1) * out_stride + right.columns <= out.len());
    // SAFETY: both `Matrix` were made with all of their numbers within their slices, `transposed`
    // keeps the set of these numbers, and the lines above say the same of `out`, which nothing
    // else refers to. No stride is above `isize::MAX`, as slices are not.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            false,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            0.0,
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Weights of 16 outputs for 4 inputs: the inputs of an output beside each other.
pub(crate) type Group = [i8; 4 * GROUP_OUTPUTS];

/// Outputs of a group: what fits into 512 bits with 32-bit sums.
pub(crate) const GROUP_OUTPUTS: usize = 16;

/// Instructions for products of 8-bit integers that this processor has. Only [`Kernel::all`]
/// makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "x86-64 has them"))]
enum Instructions {
    Vnni,
    Avx2,
}

impl Kernel {
    /// The fastest first; none on processors without them.
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let has_vnni =
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
            let vnni = has_vnni.then_some(Self(Instructions::Vnni));
            let avx2 = is_x86_feature_detected!("avx2").then_some(Self(Instructions::Avx2));
            vnni.into_iter().chain(avx2).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Instructions::Vnni => "8-bit integers, AVX-512 VNNI",
            Instructions::Avx2 => "8-bit integers, AVX2",
        }
    }

    /// What is added to an input, which is between -127 and 127, to make it a byte: VNNI takes
    /// unsigned ones.
    pub(crate) fn offset(self) -> i32 {
        match self.0 {
            Instructions::Vnni => 128,
            Instructions::Avx2 => 0,
        }
    }

    /// Sums of inputs times weights, for each row and output. Inputs are bytes with the
    /// [`offset`](Self::offset), four in a word, the first in its lowest bits; groups are in the
    /// order of outputs, then of inputs.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub(crate) fn sums(self, inputs: &[u32], words: usize, groups: &[Group], sums: &mut [i32]) {
        let is_whole = |len: usize| words > 0 && len.is_multiple_of(words);
        assert!(is_whole(inputs.len()) && is_whole(groups.len()));
        let (rows, outputs) = (inputs.len() / words, groups.len() / words * GROUP_OUTPUTS);
        assert_eq!(sums.len(), rows * outputs);
        #[cfg(target_arch = "x86_64")]
        match self.0 {
            // SAFETY: a `Kernel` with these instructions was made where the processor has them.
            Instructions::Vnni => unsafe { x86::vnni(inputs, words, groups, sums) },
            // SAFETY: as above.
            Instructions::Avx2 => unsafe { x86::avx2(inputs, words, groups, sums) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are the same each time.
    fn bytes(count: usize) -> Vec<i8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as i32 - 128).clamp(-127, 127) as i8
        };
        (0..count).map(|_| next()).collect()
    }

    fn expected(inputs: &[i32], words: usize, groups: &[Group]) -> Vec<i32> {
        let (rows, blocks) = (inputs.len() / words / 4, groups.len() / words);
        let mut sums = vec![0; rows * blocks * GROUP_OUTPUTS];
        for (at, sum) in sums.iter_mut().enumerate() {
            let (row, output) = (at / (blocks * GROUP_OUTPUTS), at % (blocks * GROUP_OUTPUTS));
            for input in 0..words * 4 {
                let group = groups[output / GROUP_OUTPUTS * words + input / 4];
                let weight = group[output % GROUP_OUTPUTS * 4 + input % 4];
                *sum += inputs[row * words * 4 + input] * i32::from(weight);
            }
        }
        sums
    }

    fn compare(kernel: Kernel, rows: usize, words: usize, blocks: usize, extreme: bool) {
        let make = |count| if extreme { vec![-127; count] } else { bytes(count) };
        let weights = make(blocks * words * 64);
        let groups: Vec<Group> = weights.as_chunks::<64>().0.to_vec();
        let inputs: Vec<i32> = make(rows * words * 4)
            .into_iter()
            .map(|input| i32::from(input) + kernel.offset())
            .collect();
        let packed: Vec<u32> = inputs
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| u32::from_le_bytes(four.map(|input| input as u8)))
            .collect();
        let mut sums = vec![0; rows * blocks * GROUP_OUTPUTS];
        kernel.sums(&packed, words, &groups, &mut sums);
        let case = format!("{kernel:?}, {rows} rows, {words} words, {blocks} blocks");
        assert_eq!(sums, expected(&inputs, words, &groups), "{case}");
    }

    #[test]
    fn each_kernel_of_this_processor_has_the_sums_of_a_plain_loop() {
        for kernel in Kernel::all() {
            for rows in [1, 2, 3, 4, 5, 7, 8, 9, 27] {
                compare(kernel, rows, 3, 2, false);
                compare(kernel, rows, 96, 3, false);
            }
            compare(kernel, 5, 384, 4, true);
        }
        if Kernel::all().is_empty() {
            eprintln!("SKIPPED: this processor has neither AVX2 nor AVX-512 VNNI");
        }
    }

    #[test]
    fn a_product_is_the_sum_of_products_whatever_the_strides() {
        let data: Vec<f32> = (0..24).map(|at| at as f32).collect();
        // Rows 0 1 2 and 6 7 8, and rows 12 13 14 and 18 19 20.
        let (left, right) = (Matrix::new(&data, 2, 3, 6), Matrix::new(&data[12..], 2, 3, 6));
        let mut out = [-1.0; 7];
        product(left, right.transposed(), 0.5, &mut out, 4);
        assert_eq!(out, [20.5, 29.5, -1.0, -1.0, 137.5, 200.5, -1.0]);
    }
}
