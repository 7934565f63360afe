//! What was learned as bytes, for a store.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::learned::{Learned, MAX_PAIRS, most_tools};
use crate::learned_use::{MAX_PARTNERS, Partner, Use};

/// The form of the bytes, which is the first of them.
const FORM: u8 = 1;
/// Numbers of a vector that is read; models have 256 to 4096.
const MAX_DIMENSIONS: usize = 4096;

/// Why bytes are not what was learned.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LearnedError {
    /// Another version wrote it.
    #[error("what was learned has the format {found}, and this version reads {FORM}")]
    Form {
        /// The format that was found.
        found: u8,
    },
    /// It is damaged.
    #[error("what was learned is damaged, and can be removed: {0}")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
struct KeptLearned {
    encoder: String,
    now: u64,
    queries: KeptUse,
    servers: Vec<(String, Vec<(String, KeptUse)>)>,
}

/// The sum as bytes with a scale, as the vectors of tools are kept: its direction counts.
#[derive(Serialize, Deserialize)]
struct KeptUse {
    id: u32,
    count: f32,
    scale: f32,
    sum: Vec<i8>,
    partners: Vec<(u32, f32)>,
}

impl Learned {
    /// As bytes for a store: 900 KB at the most.
    pub fn to_bytes(&self) -> Vec<u8> {
        let servers = self.tools.iter().map(|(server, tools)| {
            let tools = tools.iter().map(|(tool, used)| (tool.clone(), KeptUse::of(used)));
            (server.clone(), tools.collect())
        });
        let kept = KeptLearned {
            encoder: self.encoder.clone(),
            now: self.now,
            queries: KeptUse::of(&self.queries),
            servers: servers.collect(),
        };
        let bytes = postcard::to_extend(&kept, vec![FORM]);
        bytes.expect("strings, numbers and lists can be written to memory")
    }

    /// What [`Self::to_bytes`] wrote. Tools beyond the most that are learned of are skipped.
    ///
    /// # Errors
    /// It is of another version, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LearnedError> {
        let (form, bytes) = bytes.split_first().ok_or(LearnedError::Damaged("it is empty"))?;
        if *form != FORM {
            return Err(LearnedError::Form { found: *form });
        }
        let kept: KeptLearned = postcard::from_bytes(bytes)
            .map_err(|_| LearnedError::Damaged("it is not what was written"))?;
        let queries = kept.queries.used()?;
        let dimensions = queries.sum.len();
        let (mut tools, mut next, mut room) = (HashMap::new(), 0, most_tools(dimensions));
        for (server, kept) in kept.servers {
            let mut of_server = HashMap::new();
            for (tool, kept) in kept.into_iter().take(room) {
                let used = kept.used()?;
                if used.count > MAX_PAIRS {
                    return Err(LearnedError::Damaged("a tool has more pairs than count"));
                }
                if !used.sum.is_empty() && used.sum.len() != dimensions {
                    return Err(LearnedError::Damaged("vectors have several lengths"));
                }
                next = next.max(used.id);
                of_server.insert(tool, used);
            }
            room -= of_server.len();
            if !of_server.is_empty() {
                tools.insert(server, of_server);
            }
        }
        Ok(Self { encoder: kept.encoder, queries, tools, now: kept.now, next })
    }
}

impl KeptUse {
    fn of(used: &Use) -> Self {
        let largest = used.sum.iter().fold(0.0_f32, |largest, sum| largest.max(sum.abs()));
        let scale = largest / f32::from(i8::MAX);
        let byte = |sum: &f32| if scale > 0.0 { (sum / scale).round() as i8 } else { 0 };
        Self {
            id: used.id,
            count: used.count,
            scale,
            sum: used.sum.iter().map(byte).collect(),
            partners: used.partners.iter().map(|partner| (partner.id, partner.count)).collect(),
        }
    }

    fn used(self) -> Result<Use, LearnedError> {
        let is_number = |number: f32| number.is_finite() && number >= 0.0;
        let counts = self.partners.iter().map(|(_, count)| *count);
        if !counts.chain([self.count, self.scale]).all(is_number) {
            return Err(LearnedError::Damaged("a count is not a number"));
        }
        // A sum of so many vectors of length 1.
        if self.scale * f32::from(i8::MAX) > self.count * 1.01 {
            return Err(LearnedError::Damaged("a vector is too long"));
        }
        if self.sum.len() > MAX_DIMENSIONS || self.partners.len() > MAX_PARTNERS {
            return Err(LearnedError::Damaged("a list is too long"));
        }
        Ok(Use {
            id: self.id,
            sum: self.sum.iter().map(|byte| f32::from(*byte) * self.scale).collect(),
            count: self.count,
            partners: self
                .partners
                .iter()
                .map(|(id, count)| Partner { id: *id, count: *count })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoder::Encoder;
    use crate::learned::MAX_TOOLS;
    use crate::table::Table;

    fn learned() -> Learned {
        let mut learned = Learned::new();
        learned.record(&Table, "open a bug", ("github", "create_issue"), 1_000);
        learned.record(&Table, "who is on call", ("pager", "list_oncalls"), 2_000);
        learned.record_together(&[("github", "create_issue"), ("pager", "list_oncalls")], 3_000);
        learned
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = learned().to_bytes();
        let read = Learned::from_bytes(&bytes).unwrap();
        assert_eq!(read.len(), 2);
        // Maps have no order; a second time nothing is lost.
        assert_eq!(Learned::from_bytes(&read.to_bytes()).unwrap(), read);
        let (sum, exact) = (&read.queries.sum, &learned().queries.sum);
        assert!(sum.iter().zip(exact).all(|(a, b)| (a - b).abs() < 0.01));
    }

    #[test]
    fn the_most_that_is_learned_fits_a_value_of_the_store() {
        let mut learned = Learned::new();
        for at in 0..MAX_TOOLS {
            let tool = format!("{at:0256}");
            let others: Vec<String> =
                (0..7).map(|more| format!("{:0256}", (at + more) % MAX_TOOLS)).collect();
            learned.record(&Table, "a query", (&"s".repeat(64), &tool), 1);
            let together: Vec<_> = others.iter().map(|other| ("s", other.as_str())).collect();
            learned.record_together(&together, 1);
        }
        assert!(learned.len() <= MAX_TOOLS);
        assert!(learned.to_bytes().len() < 1 << 20, "{}", learned.to_bytes().len());
    }

    #[test]
    fn tools_of_long_vectors_fit_too_and_are_fewer() {
        struct Long;
        impl Encoder for Long {
            fn name(&self) -> &str {
                "long"
            }
            fn dimensions(&self) -> usize {
                3072
            }
            fn encode(&self, _: &str) -> Vec<f32> {
                vec![(1.0 / 3072.0_f32).sqrt(); 3072]
            }
            fn weight_of_words(&self) -> f32 {
                0.2
            }
            fn floor(&self) -> f32 {
                0.0
            }
        }
        let mut learned = Learned::new();
        for at in 0..MAX_TOOLS {
            let tool = format!("{at:0256}");
            learned.record_together(&[(&"s".repeat(64), &tool), ("s", "t")], 1);
        }
        (0..300).for_each(|at| learned.record(&Long, "a query", ("s", &at.to_string()), 1));
        assert_eq!(learned.len(), most_tools(3072));
        let bytes = learned.to_bytes();
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        assert_eq!(Learned::from_bytes(&bytes).unwrap().len(), learned.len());
    }

    #[test]
    fn a_vector_that_is_longer_than_its_pairs_is_damaged() {
        let mut learned = learned();
        learned.tools.get_mut("github").unwrap().get_mut("create_issue").unwrap().sum[0] = 9e30;
        let damaged = Err(LearnedError::Damaged("a vector is too long"));
        assert_eq!(Learned::from_bytes(&learned.to_bytes()), damaged);
    }

    #[test]
    fn another_versions_bytes_are_told_from_damaged_ones() {
        let mut bytes = learned().to_bytes();
        assert!(matches!(Learned::from_bytes(&[]), Err(LearnedError::Damaged(_))));
        assert!(matches!(Learned::from_bytes(&bytes[..40]), Err(LearnedError::Damaged(_))));
        bytes[0] = 9;
        assert_eq!(Learned::from_bytes(&bytes), Err(LearnedError::Form { found: 9 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            bytes[0] = FORM;
            let _ = Learned::from_bytes(&bytes);
        }
    }
}
