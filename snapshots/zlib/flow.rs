//! One step of a codec: a piece of input, room for output, and how much of both
//! was used.

/// Input and output of a step. What a codec does not take stays with the program,
/// which calls again with more room.
pub(super) struct Flow<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    made: usize,
}

impl<'a> Flow<'a> {
    pub(super) fn new(input: &'a [u8], output: &'a mut [u8]) -> Self {
        Self { input, output, made: 0 }
    }

    pub(super) fn input(&self) -> &'a [u8] {
        self.input
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.output[self.made..]
    }

    /// Input and room at the same time.
    pub(super) fn parts(&mut self) -> (&'a [u8], &mut [u8]) {
        (self.input, &mut self.output[self.made..])
    }

    /// What was made from `start` on.
    pub(super) fn made_since(&self, start: usize) -> &[u8] {
        &self.output[start..self.made]
    }

    pub(super) fn made(&self) -> usize {
        self.made
    }

    pub(super) fn rest_of_input(&self) -> usize {
        self.input.len()
    }

    pub(super) fn rest_of_room(&self) -> usize {
        self.output.len() - self.made
    }

    /// Notes that so many bytes were taken and made.
    pub(super) fn advance(&mut self, taken: usize, made: usize) {
        self.input = &self.input[taken.min(self.input.len())..];
        self.made = (self.made + made).min(self.output.len());
    }

    /// The next byte of the input.
    pub(super) fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.input.split_first()?;
        self.input = rest;
        Some(*first)
    }

    /// Puts as much of `bytes` into the output as has room, and returns how much.
    pub(super) fn put(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.rest_of_room());
        self.room()[..length].copy_from_slice(&bytes[..length]);
        self.made += length;
        length
    }
}
