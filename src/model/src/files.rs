//! A model's files: read once, from beginning to end, so that what is used is what was hashed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

use crate::error::ModelError;
use crate::wordpiece::Vocabulary;

/// The files of a model in its directory.
pub const WEIGHTS: &str = "model.safetensors";
/// Its word pieces, one a line.
pub const VOCABULARY: &str = "vocab.txt";

/// SHA-256 of `model.safetensors` of all-MiniLM-L6-v2 as its authors published it.
pub const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
/// SHA-256 of its `vocab.txt`.
pub const VOCABULARY_SHA256: &str =
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";

/// Bytes of weights: twice those of all-MiniLM-L12-v2, the largest of the family.
const MAX_WEIGHTS: u64 = 256 << 20;

/// Bytes of a vocabulary: four times those of BERT's.
const MAX_VOCABULARY: u64 = 1 << 20;

/// Bytes of the header of weights: 60 times those of all-MiniLM-L6-v2.
const MAX_HEADER: u64 = 1 << 20;

/// Tensors by their names.
pub(crate) type Tensors = HashMap<String, Tensor>;

/// Numbers and their shape.
#[derive(Debug, Default)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f32>,
}

/// Reads the vocabulary, and its SHA-256.
pub(crate) fn vocabulary(directory: &Path) -> Result<(Vocabulary, String), ModelError> {
    let path = directory.join(VOCABULARY);
    let file = |error| ModelError::File { path: path.clone(), error };
    let mut bytes = Vec::new();
    let opened = File::open(&path).map_err(file)?;
    opened.take(MAX_VOCABULARY + 1).read_to_end(&mut bytes).map_err(file)?;
    if bytes.len() as u64 > MAX_VOCABULARY {
        return Err(ModelError::TooLarge { path, limit: MAX_VOCABULARY });
    }
    let sum = hex(&Sha256::digest(&bytes));
    let form = |problem| ModelError::Form { path: path.clone(), problem };
    let text = String::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
    let missing = |piece| form(format!("it does not have the piece {piece}"));
    Ok((Vocabulary::parse(text).map_err(missing)?, sum))
}

/// Reads all tensors of 32-bit floats, and the file's SHA-256.
pub(crate) fn tensors(directory: &Path) -> Result<(Tensors, String), ModelError> {
    let path = directory.join(WEIGHTS);
    let file = |error| ModelError::File { path: path.clone(), error };
    let opened = File::open(&path).map_err(file)?;
    let length = opened.metadata().map_err(file)?.len();
    if length > MAX_WEIGHTS {
        return Err(ModelError::TooLarge { path, limit: MAX_WEIGHTS });
    }
    let mut hashed = Hashed { file: BufReader::new(opened.take(length)), digest: Sha256::new() };
    match read(&mut hashed, length) {
        Ok(tensors) => Ok((tensors, hex(&hashed.digest.finalize()))),
        Err(Failure::File(error)) => Err(file(error)),
        Err(Failure::Form(problem)) => Err(ModelError::Form { path, problem }),
    }
}

enum Failure {
    File(std::io::Error),
    Form(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Form("it ends within a tensor".to_owned()),
            _ => Self::File(error),
        }
    }
}

/// The format: the header's length in 8 bytes, the header, the tensors without gaps.
fn read(file: &mut impl Read, length: u64) -> Result<Tensors, Failure> {
    let mut header_length = [0; 8];
    file.read_exact(&mut header_length)?;
    let header_length = u64::from_le_bytes(header_length);
    if header_length > MAX_HEADER.min(length) {
        return Err(Failure::Form(format!("its header has {header_length} bytes")));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header)?;
    // It is checked to be without gaps and overlaps, and its sizes to be those of the shapes.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| Failure::Form(format!("its header is not one of safetensors: {error}")))?;
    if metadata.data_len() as u64 != length - 8 - header_length {
        return Err(Failure::Form("its length is not what its header says".to_owned()));
    }
    let mut tensors = Tensors::new();
    for name in metadata.offset_keys() {
        let info = metadata.info(&name).expect("it is one of its names");
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        file.read_exact(&mut bytes)?;
        if info.dtype == Dtype::F32 {
            tensors.insert(name, Tensor { shape: info.shape.clone(), numbers: floats(&bytes) });
        }
    }
    Ok(tensors)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

struct Hashed<R> {
    file: R,
    digest: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.digest.update(&buffer[..length]);
        Ok(length)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
