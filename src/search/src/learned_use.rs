//! What use says of one tool.

use crate::learned::FADED;

/// Tools that one is remembered to be used together with.
pub(crate) const MAX_PARTNERS: usize = 8;

/// What use says of one tool; or of all queries, which have no partners.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Use {
    /// By which partners know it.
    pub(crate) id: u32,
    /// Sum of the vectors of queries that led to it; empty before there was one.
    pub(crate) sum: Vec<f32>,
    pub(crate) count: f32,
    pub(crate) partners: Vec<Partner>,
}

/// A tool that was used in the same programs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Partner {
    pub(crate) id: u32,
    pub(crate) count: f32,
}

impl Use {
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.sum.len() * size_of::<f32>()
            + self.partners.len() * size_of::<Partner>()
    }

    /// Adds the vector of a query. Beyond `most` it takes the place of older ones.
    pub(crate) fn add(&mut self, vector: &[f32], most: f32) {
        if self.count + 1.0 > most {
            self.fade_queries((most - 1.0) / self.count);
        }
        self.sum.resize(vector.len(), 0.0);
        self.sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
        self.count += 1.0;
    }

    pub(crate) fn forget_queries(&mut self) {
        (self.sum, self.count) = (Vec::new(), 0.0);
    }

    pub(crate) fn fade(&mut self, factor: f32) {
        self.fade_queries(factor);
        if self.count < FADED {
            self.forget_queries();
        }
        self.partners.iter_mut().for_each(|partner| partner.count *= factor);
        self.partners.retain(|partner| partner.count >= FADED);
    }

    fn fade_queries(&mut self, factor: f32) {
        self.count *= factor;
        self.sum.iter_mut().for_each(|sum| *sum *= factor);
    }

    /// Whether nothing is left of it.
    pub(crate) fn has_faded(&self) -> bool {
        self.count == 0.0 && self.partners.is_empty()
    }

    /// How much it is used.
    pub(crate) fn weight(&self) -> f32 {
        self.count + self.partners.iter().map(|partner| partner.count).sum::<f32>()
    }

    /// A partner more; the least one makes room.
    pub(crate) fn new_partner(&mut self, partner: Partner) {
        if self.partners.len() >= MAX_PARTNERS {
            let counts = self.partners.iter().enumerate();
            let least = counts.min_by(|(_, a), (_, b)| a.count.total_cmp(&b.count));
            if let Some(least) = least.map(|(at, _)| at) {
                self.partners.swap_remove(least);
            }
        }
        self.partners.push(partner);
    }
}
