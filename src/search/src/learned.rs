//! What a principal's use says of tools: a query that led to a call moves the tool's vector
//! towards it (Rocchio 1971, centred), and tools that one program calls raise each other.
//!
//! Pure state: the caller records, keeps the bytes, and gives the state to a search. The
//! texts of queries are not in it.

use std::collections::HashMap;

use crate::encoder::Encoder;
use crate::learned_use::{Partner, Use};
use crate::vectors::product;

/// Seconds in which what was learned counts half: 30 days, so that tools of a project that
/// has ended do not stay in front.
pub const HALF_LIFE: u64 = 30 * 24 * 60 * 60;
/// Pairs at which a tool's vector has gone half its way.
const HALF_MOVED: f32 = 0.25;
/// Pairs of a tool that count; beyond, newer ones replace older ones.
pub(crate) const MAX_PAIRS: f32 = 32.0;
/// Queries that the centre is made of before any was recorded: what all tools have in
/// common stands for what queries have in common.
const PRIOR: f32 = 20.0;
/// Tools that are learned of, where vectors have up to 384 numbers.
pub const MAX_TOOLS: usize = 1000;
/// Bytes of all tools as they are written down: a value of the store has at most 1 MiB.
const MAX_BYTES: usize = 800 << 10;
/// Bytes of a tool as it is written down, beside its vector: names of 64 and 256, and eight
/// partners of nine. 1000 tools of the model's 384 numbers take 800 KB.
const OF_A_TOOL: usize = 416;
/// Tools of one program that count as used together.
const MAX_TOGETHER: usize = 8;
/// Results of a search that raise others, and those that may be raised.
const RAISING: usize = 3;
const RAISED: usize = 50;
/// What being used together counts at the most, and programs at which it is half of that.
const TOGETHER: f32 = 0.08;
const HALF_TOGETHER: f32 = 2.0;
/// What is less than this counts no more: a pair after five half-lives.
pub(crate) const FADED: f32 = 0.03;

/// Tools that are learned of, with vectors of so many numbers.
pub(crate) fn most_tools(dimensions: usize) -> usize {
    (MAX_BYTES / (dimensions + OF_A_TOOL)).min(MAX_TOOLS)
}

/// What is learned of one principal's tools.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Learned {
    /// Whose vectors the sums are of.
    pub(crate) encoder: String,
    /// Sum and number of all queries that were recorded.
    pub(crate) queries: Use,
    /// By server and tool.
    pub(crate) tools: HashMap<String, HashMap<String, Use>>,
    /// The moment that all counts are of, in seconds since 1970.
    pub(crate) now: u64,
    /// The identifier of the tool that comes next.
    pub(crate) next: u32,
}

impl Learned {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Tools of which something is known.
    pub fn len(&self) -> usize {
        self.tools.values().map(HashMap::len).sum()
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let of = |(name, used): (&String, &Use)| name.len() + used.bytes() + size_of::<String>();
        self.queries.bytes() + self.tools.values().flatten().map(of).sum::<usize>()
    }

    /// Records that a query led to a call of a tool, at a moment in seconds since 1970.
    pub fn record(&mut self, encoder: &dyn Encoder, query: &str, tool: (&str, &str), now: u64) {
        self.age(now);
        let vector = encoder.encode(query);
        if vector.iter().all(|number| *number == 0.0) {
            return;
        }
        let is_other = !self.queries.sum.is_empty() && self.queries.sum.len() != vector.len();
        if self.encoder != encoder.name() || is_other {
            self.encoder = encoder.name().to_owned();
            self.queries = Use::default();
            self.tools.values_mut().flat_map(HashMap::values_mut).for_each(Use::forget_queries);
        }
        self.queries.add(&vector, f32::MAX);
        self.make_room();
        self.tool(tool).add(&vector, MAX_PAIRS);
    }

    /// Records that one program has called these tools, at a moment in seconds since 1970.
    pub fn record_together(&mut self, tools: &[(&str, &str)], now: u64) {
        self.age(now);
        let mut ids: Vec<u32> = Vec::new();
        for tool in tools.iter().take(MAX_TOGETHER) {
            let id = self.tool(*tool).id;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        for tool in tools.iter().take(MAX_TOGETHER) {
            let used = self.tool(*tool);
            let own = used.id;
            ids.iter().filter(|id| **id != own).for_each(|id| used.called_with(*id));
        }
    }

    /// Forgets a tool, for example because its server is no longer there.
    pub fn forget(&mut self, (server, tool): (&str, &str)) {
        if let Some(tools) = self.tools.get_mut(server) {
            tools.remove(tool);
            if tools.is_empty() {
                self.tools.remove(server);
            }
        }
    }

    /// Lets counts fade until a moment. A moment in the past changes nothing.
    pub fn age(&mut self, now: u64) {
        let time = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if time == 0 || self.is_empty() {
            return;
        }
        let factor = (-(time as f64) / HALF_LIFE as f64).exp2() as f32;
        self.queries.fade(factor);
        for tools in self.tools.values_mut() {
            tools.values_mut().for_each(|used| used.fade(factor));
            tools.retain(|_, used| !used.has_faded());
        }
        self.tools.retain(|_, tools| !tools.is_empty());
    }

    /// The state of a tool; the one that is used least makes room for a new one.
    fn tool(&mut self, (server, tool): (&str, &str)) -> &mut Use {
        let is_known = self.tools.get(server).is_some_and(|tools| tools.contains_key(tool));
        if !is_known && self.len() >= most_tools(self.queries.sum.len()) {
            self.forget_least();
        }
        let tools = self.tools.entry(server.to_owned()).or_default();
        tools.entry(tool.to_owned()).or_insert_with(|| {
            self.next = self.next.wrapping_add(1);
            Use { id: self.next, ..Use::default() }
        })
    }

    /// Longer vectors leave room for fewer tools.
    fn make_room(&mut self) {
        while self.len() > most_tools(self.queries.sum.len()) {
            self.forget_least();
        }
    }

    fn forget_least(&mut self) {
        let all = self.tools.iter().flat_map(|(server, tools)| {
            tools.iter().map(move |(tool, used)| (server, tool, used.weight()))
        });
        let least = all.min_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(b.0)).then(a.1.cmp(b.1)));
        if let Some((server, tool)) = least.map(|(server, tool, _)| (server.clone(), tool.clone()))
        {
            self.forget((&server, &tool));
        }
    }

    fn get(&self, (server, tool): (&str, &str)) -> Option<&Use> {
        self.tools.get(server)?.get(tool)
    }

    /// The tools whose vectors have moved, if they are of this encoder.
    pub(crate) fn moved<'a>(
        &'a self,
        encoder: &dyn Encoder,
        centroid: &[f32],
    ) -> Option<Moved<'a>> {
        let is_of = self.encoder == encoder.name() && self.queries.count > 0.0;
        is_of.then(|| Moved::new(self, centroid, encoder.beta()))
    }

    /// Raises tools that were used together with the best ones: by little, and not above
    /// the one that raises them. `found` is in order, and is no more afterwards.
    pub(crate) fn raise_partners<'a>(
        &self,
        found: &mut [(usize, f32)],
        key: impl Fn(usize) -> (&'a str, &'a str),
    ) {
        let first: Vec<Option<&Use>> =
            found.iter().take(RAISED).map(|(place, _)| self.get(key(*place))).collect();
        let before: Vec<f32> = found.iter().take(RAISED).map(|(_, score)| *score).collect();
        for (at, used) in first.iter().enumerate() {
            let Some(used) = used else { continue };
            let raised = |raising: usize| {
                let partners = first[raising].map_or(&[][..], |raising| &raising.partners);
                let partner = partners.iter().find(|partner| partner.id == used.id)?;
                let by = TOGETHER * partner.count / (partner.count + HALF_TOGETHER);
                Some((before[at] + by).min(before[raising]))
            };
            let best = (0..at.min(RAISING)).filter_map(raised).fold(before[at], f32::max);
            found[at].1 = best;
        }
    }
}

/// The vectors of tools as use has moved them.
pub(crate) struct Moved<'a> {
    learned: &'a Learned,
    /// What queries have in common.
    centre: Vec<f32>,
    /// What a query's distance from the centre is divided by, so that its length is 1 nearly.
    distance: f32,
    /// How far vectors move at the most.
    beta: f32,
}

impl<'a> Moved<'a> {
    fn new(learned: &'a Learned, centroid: &[f32], beta: f32) -> Self {
        let count = learned.queries.count + PRIOR;
        let sums = learned.queries.sum.iter().zip(centroid);
        let centre: Vec<f32> = sums.map(|(sum, common)| (sum + PRIOR * common) / count).collect();
        let length = product(&centre, &centre);
        Self { learned, centre, distance: (1.0 - length).max(0.1).sqrt(), beta }
    }

    /// Servers and names of the tools that have moved, and how far into which direction:
    /// by less than [`Encoder::beta`].
    pub(crate) fn tools(&self) -> impl Iterator<Item = ((&'a str, &'a str), Vec<f32>)> {
        let all = self.learned.tools.iter().flat_map(|(server, tools)| {
            tools.iter().map(move |(tool, used)| ((server.as_str(), tool.as_str()), used))
        });
        all.filter(|(_, used)| used.count > 0.0).map(|(key, used)| (key, self.moved(used)))
    }

    fn moved(&self, used: &Use) -> Vec<f32> {
        let (of_sum, of_centre) = ((used.count * self.distance).recip(), self.distance.recip());
        let both = used.sum.iter().zip(&self.centre);
        let mut by: Vec<f32> =
            both.map(|(sum, common)| sum * of_sum - common * of_centre).collect();
        let length = product(&by, &by).sqrt().max(1.0);
        let far = self.beta * used.count / (used.count + HALF_MOVED) / length;
        by.iter_mut().for_each(|number| *number *= far);
        by
    }
}

impl Use {
    /// One program more in which both were called.
    fn called_with(&mut self, id: u32) {
        match self.partners.iter_mut().find(|partner| partner.id == id) {
            Some(partner) => partner.count = (partner.count + 1.0).min(MAX_PAIRS),
            None => self.new_partner(Partner { id, count: 1.0 }),
        }
    }
}

#[cfg(test)]
#[path = "learned_tests.rs"]
mod tests;
