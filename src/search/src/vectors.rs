//! Vectors of texts, as bytes with a scale: a 1,000 of 256 dimensions take 260 KB, and
//! ranks are those of floats (docs/search.md).

/// Vectors of one length, known by their places.
#[derive(Debug)]
pub(crate) struct Vectors {
    dimensions: usize,
    numbers: Vec<i8>,
    scales: Vec<f32>,
}

/// A vector that others are compared with.
pub(crate) struct Compared {
    numbers: Vec<i16>,
    scale: f32,
}

impl Compared {
    pub(crate) fn new(vector: &[f32]) -> Self {
        let largest = largest(vector);
        let factor = if largest > 0.0 { f32::from(i16::MAX) / largest } else { 0.0 };
        let numbers = vector.iter().map(|number| (number * factor) as i16).collect();
        Self { numbers, scale: largest / f32::from(i16::MAX) }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.scale == 0.0
    }
}

impl Vectors {
    pub(crate) fn new(dimensions: usize, texts: usize) -> Self {
        let numbers = Vec::with_capacity(dimensions * texts);
        Self { dimensions, numbers, scales: Vec::with_capacity(texts) }
    }

    pub(crate) fn push(&mut self, vector: &[f32]) {
        let largest = largest(vector);
        let factor = if largest > 0.0 { f32::from(i8::MAX) / largest } else { 0.0 };
        let byte = |at: usize| (vector.get(at).copied().unwrap_or_default() * factor).round() as i8;
        self.numbers.extend((0..self.dimensions).map(byte));
        self.scales.push(largest / f32::from(i8::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.numbers.capacity() + self.scales.capacity() * size_of::<f32>()
    }

    /// The products of a vector with that at a place.
    pub(crate) fn product(&self, place: usize, with: &Compared) -> f32 {
        let numbers = &self.numbers[place * self.dimensions..][..self.dimensions];
        // At most 1024 · 32767 · 127, which is too much for 32 bits: sums of 256 each.
        let sums = numbers.chunks(256).zip(with.numbers.chunks(256)).map(|(a, b)| {
            a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>() as f32
        });
        sums.sum::<f32>() * self.scales[place] * with.scale
    }

    /// The mean of all of them.
    pub(crate) fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0.0; self.dimensions];
        for place in 0..self.len() {
            mean.iter_mut().zip(self.at(place)).for_each(|(mean, number)| *mean += number);
        }
        mean.iter_mut().for_each(|number| *number /= self.len().max(1) as f32);
        mean
    }

    /// The vector at a place.
    pub(crate) fn at(&self, place: usize) -> impl Iterator<Item = f32> {
        let numbers = &self.numbers[place * self.dimensions..][..self.dimensions];
        let scale = self.scales[place];
        numbers.iter().map(move |number| f32::from(*number) * scale)
    }
}

/// The product of two vectors. Sums of each eighth number, which processors add at once.
pub(crate) fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let both = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..both].as_chunks::<8>(), b[..both].as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn largest(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |largest, number| number.abs().max(largest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Encoder;
    use crate::table::{DIMENSIONS, Table};

    #[test]
    fn products_are_those_of_floats_nearly() {
        let texts = ["read a file", "send an email", "list the open issues", ""];
        let mut vectors = Vectors::new(DIMENSIONS, texts.len());
        texts.iter().for_each(|text| vectors.push(&Table.encode(text)));
        let query = Table.encode("open a file for reading");
        for (place, text) in texts.iter().enumerate() {
            let exact: f32 = Table.encode(text).iter().zip(&query).map(|(a, b)| a * b).sum();
            let product = vectors.product(place, &Compared::new(&query));
            assert!((exact - product).abs() < 0.01, "{text}: {exact} and {product}");
        }
    }

    #[test]
    fn a_product_is_over_all_numbers() {
        let numbers: Vec<f32> = (0..19_u8).map(f32::from).collect();
        assert_eq!(product(&numbers, &numbers), 2109.0);
        assert_eq!(product(&numbers, &[]), 0.0);
    }

    #[test]
    fn a_vector_that_is_too_short_ends_with_zeros() {
        let mut vectors = Vectors::new(3, 1);
        vectors.push(&[1.0]);
        assert_eq!(vectors.product(0, &Compared::new(&[1.0, 1.0, 1.0])), 1.0);
    }
}
