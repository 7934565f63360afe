//! Functions of numbers that a transformer needs.

/// Numbers that are summed beside each other, as processors do.
const LANES: usize = 8;

/// What keeps a norm from a division by zero, as in BERT's configuration.
const EPSILON: f32 = 1e-12;

/// A layer norm: what numbers are multiplied with and what is added, for each column.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weights: Vec<f32>,
    pub(crate) biases: Vec<f32>,
}

impl Norm {
    /// Makes each row's mean 0 and variance 1, then applies weights and biases.
    pub(crate) fn apply(&self, rows: &mut [f32]) {
        let columns = self.weights.len();
        for row in rows.chunks_exact_mut(columns) {
            let mean = sum(row, |number| number) / columns as f32;
            let variance = sum(row, |number| (number - mean) * (number - mean)) / columns as f32;
            let factor = 1.0 / (variance + EPSILON).sqrt();
            let weights = self.weights.iter().zip(&self.biases);
            for (number, (weight, bias)) in row.iter_mut().zip(weights) {
                *number = (*number - mean) * factor * weight + bias;
            }
        }
    }
}

/// The sum of a function of numbers.
pub(crate) fn sum(numbers: &[f32], function: impl Fn(f32) -> f32) -> f32 {
    let (lanes, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lane in lanes {
        sums.iter_mut().zip(lane).for_each(|(sum, number)| *sum += function(*number));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|number| function(*number)).sum::<f32>()
}

/// Makes each row a distribution: exponentials that sum to 1.
pub(crate) fn softmax(rows: &mut [f32], columns: usize) {
    for row in rows.chunks_exact_mut(columns) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|number| *number = (*number - largest).exp());
        let factor = 1.0 / sum(row, |number| number);
        row.iter_mut().for_each(|number| *number *= factor);
    }
}

/// The Gaussian error linear unit of BERT: x times the normal distribution's probability below x.
pub(crate) fn gelu(numbers: &mut [f32]) {
    for number in numbers {
        *number *= 0.5 * (1.0 + erf(*number * std::f32::consts::FRAC_1_SQRT_2));
    }
}

/// The error function, as the quotient of two polynomials that Eigen uses (its
/// `MathFunctionsImpl.h`): wrong by less than 1e-6, and without branches.
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_4e-2,
    ];
    const BELOW: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_3e-3, -1.426_473_9e-2];
    // Beyond 4 it is 1 to the last bit but one.
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let polynomial = |factors: &[f32]| factors.iter().fold(0.0, |sum, it| sum * square + it);
    x * polynomial(&ABOVE) / polynomial(&BELOW)
}

/// Divides a vector by its length; a vector of zeros stays one.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = sum(vector, |number| number * number).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integral, by Simpson's rule.
    fn slow_erf(x: f64) -> f64 {
        let (steps, f) = (2000, |t: f64| (-t * t).exp());
        let h = x / f64::from(steps);
        let inner = |at: i32| f(f64::from(at) * h) * if at % 2 == 0 { 2.0 } else { 4.0 };
        let sum = f(0.0) + f(x) + (1..steps).map(inner).sum::<f64>();
        sum * h / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn the_error_function_is_the_integral() {
        for at in -50..=50 {
            let x = at as f32 / 10.0;
            let difference = (f64::from(erf(x)) - slow_erf(f64::from(x))).abs();
            assert!(difference < 1e-6, "{x}: {difference}");
        }
    }

    #[test]
    fn a_distribution_sums_to_one_whatever_the_magnitudes() {
        let mut rows = [1000.0, 1000.0, -1000.0, 0.0];
        softmax(&mut rows, 2);
        assert_eq!(rows, [0.5, 0.5, 0.0, 1.0]);
    }

    #[test]
    fn a_norm_has_mean_zero_and_variance_one() {
        let norm = Norm { weights: vec![1.0; 10], biases: vec![0.0; 10] };
        let mut row: Vec<f32> = (0..10).map(|at| at as f32).collect();
        norm.apply(&mut row);
        assert!(sum(&row, |it| it).abs() < 1e-5 && (sum(&row, |it| it * it) - 10.0).abs() < 1e-4);
    }

    #[test]
    fn a_vector_of_zeros_has_no_direction() {
        let mut vector = [0.0; 3];
        normalise(&mut vector);
        assert_eq!(vector, [0.0; 3]);
    }
}
