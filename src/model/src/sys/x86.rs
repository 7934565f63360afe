//! The kernels of x86-64. Their callers have compared lengths and asked for the instructions.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_sign_epi8, _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::{GROUP_OUTPUTS, Group};

/// Rows whose sums are kept in registers: of VNNI's 32 registers 8 x 2 for sums, of AVX2's 16
/// registers 4 x 2.
const VNNI_ROWS: usize = 8;
const AVX2_ROWS: usize = 4;

/// Blocks of 16 outputs at a time, with VNNI.
const VNNI_BLOCKS: usize = 2;

/// # Safety
/// The processor has these features. `inputs` has whole rows of `words`, `groups` has whole blocks
/// of `words`, and `sums` one place for each row and output.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn vnni(inputs: &[u32], words: usize, groups: &[Group], sums: &mut [i32]) {
    let outputs = groups.len() / words * GROUP_OUTPUTS;
    for (pair, groups) in groups.chunks(VNNI_BLOCKS * words).enumerate() {
        let first = pair * VNNI_BLOCKS * GROUP_OUTPUTS;
        for (tile, rows) in inputs.chunks(VNNI_ROWS * words).enumerate() {
            let out = &mut sums[tile * VNNI_ROWS * outputs + first..];
            let count = rows.len() / words;
            let is_whole = count == VNNI_ROWS && groups.len() == VNNI_BLOCKS * words;
            if is_whole {
                // SAFETY: there are 8 rows and 2 blocks, and `out` goes from the first sum of
                // these to the end of all.
                unsafe { vnni_tile::<VNNI_ROWS, VNNI_BLOCKS>(rows, words, groups, out, outputs) };
                continue;
            }
            for (row, rows) in rows.chunks(words).enumerate() {
                for (block, groups) in groups.chunks(words).enumerate() {
                    let out = &mut out[row * outputs + block * GROUP_OUTPUTS..];
                    // SAFETY: as above, with one row and one block.
                    unsafe { vnni_tile::<1, 1>(rows, words, groups, out, outputs) };
                }
            }
        }
    }
}

/// # Safety
/// The processor has these features. There are `R` rows and `B` blocks of `words`, and `out` has
/// room for `R` rows of `outputs` sums but for the last, which needs room for `B` blocks.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn vnni_tile<const R: usize, const B: usize>(
    rows: &[u32],
    words: usize,
    groups: &[Group],
    out: &mut [i32],
    outputs: usize,
) {
    assert!(rows.len() == R * words && groups.len() == B * words);
    let mut sums: [[__m512i; B]; R] = [[_mm512_setzero_si512(); B]; R];
    for word in 0..words {
        let mut weights = [_mm512_setzero_si512(); B];
        for (block, weights) in weights.iter_mut().enumerate() {
            // SAFETY: `block` is below `B` and `word` below `words`; a group has 64 bytes.
            *weights = unsafe {
                _mm512_loadu_si512(groups.get_unchecked(block * words + word).as_ptr().cast())
            };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `row` is below `R` and `word` below `words`.
            let inputs = unsafe { *rows.get_unchecked(row * words + word) };
            let inputs = _mm512_set1_epi32(inputs as i32);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, inputs, weights);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (block, sum) in sums.into_iter().enumerate() {
            let out = &mut out[row * outputs + block * GROUP_OUTPUTS..][..GROUP_OUTPUTS];
            // SAFETY: `out` has 16 numbers of 4 bytes.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
        }
    }
}

/// # Safety
/// As of [`vnni`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2(inputs: &[u32], words: usize, groups: &[Group], sums: &mut [i32]) {
    let outputs = groups.len() / words * GROUP_OUTPUTS;
    for (block, groups) in groups.chunks(words).enumerate() {
        for (tile, rows) in inputs.chunks(AVX2_ROWS * words).enumerate() {
            let first = tile * AVX2_ROWS * outputs + block * GROUP_OUTPUTS;
            let out = &mut sums[first..];
            if rows.len() == AVX2_ROWS * words {
                // SAFETY: there are 4 rows and a block, and `out` goes from the first sum of
                // these to the end of all.
                unsafe { avx2_tile::<AVX2_ROWS>(rows, words, groups, out, outputs) };
                continue;
            }
            for (row, rows) in rows.chunks(words).enumerate() {
                // SAFETY: as above, with one row.
                unsafe { avx2_tile::<1>(rows, words, groups, &mut out[row * outputs..], outputs) };
            }
        }
    }
}

/// # Safety
/// As of [`vnni_tile`], with one block.
#[target_feature(enable = "avx2")]
unsafe fn avx2_tile<const R: usize>(
    rows: &[u32],
    words: usize,
    groups: &[Group],
    out: &mut [i32],
    outputs: usize,
) {
    assert!(rows.len() == R * words && groups.len() == words);
    let ones = _mm256_set1_epi16(1);
    let mut sums: [[__m256i; 2]; R] = [[_mm256_setzero_si256(); 2]; R];
    for (word, group) in groups.iter().enumerate() {
        let (low, high) = group.split_at(32);
        // SAFETY: each half has 32 bytes.
        let weights = unsafe {
            [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())]
        };
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `row` is below `R`, and `word` below `words`, as there are as many groups.
            let inputs = unsafe { *rows.get_unchecked(row * words + word) };
            let inputs = _mm256_set1_epi32(inputs as i32);
            let magnitudes = _mm256_abs_epi8(inputs);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                // Signs are moved to the weights. Two products are 2 x 127 x 127 at the most,
                // which 16 bits have.
                let signed = _mm256_sign_epi8(weights, inputs);
                let pairs = _mm256_maddubs_epi16(magnitudes, signed);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            let out = &mut out[row * outputs + half * 8..][..8];
            // SAFETY: `out` has 8 numbers of 4 bytes.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
        }
    }
}
