//! What one run may see of a server's tools. A run can name 256 patterns, and a server
//! 10,000 tools on which each of them takes long: both are looked at once.

use std::sync::{Arc, OnceLock};

use super::list::{Catalog, Provider};
use super::tool::Tool;
use super::tool_info::ToolInfo;
use super::view::View;
use super::work::GoOn;
use crate::policy::{RunTools, is_visible};

/// The tools of a list that a run may call.
#[derive(Clone)]
pub(crate) struct Seen {
    provider: Arc<Provider>,
    catalog: Arc<Catalog>,
    view: Arc<View>,
}

impl Seen {
    /// What is known already, or soon told.
    pub(crate) fn at_once(
        provider: &Arc<Provider>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
    ) -> Option<Self> {
        if provider.rules.is_open() && run.is_unrestricted() && catalog.views.of(run).is_none() {
            return Self::look(provider, catalog, run, &|| true);
        }
        let view = catalog.views.of(run)?;
        Some(Self { provider: provider.clone(), catalog: catalog.clone(), view })
    }

    /// Looks at each tool, unless that was done before. None if it was stopped.
    pub(crate) fn look(
        provider: &Arc<Provider>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
        go_on: GoOn<'_>,
    ) -> Option<Self> {
        let view = match catalog.views.of(run) {
            Some(view) => view,
            None => {
                let mut places = Vec::new();
                for (place, tool) in catalog.tools.iter().enumerate() {
                    if !go_on() {
                        return None;
                    }
                    if is_visible(&provider.rules, run, &provider.name, &tool.info.name) {
                        places.push(place);
                    }
                }
                let view = Arc::new(View { places, module: OnceLock::new() });
                catalog.views.keep(run, &view);
                view
            }
        };
        Some(Self { provider: provider.clone(), catalog: catalog.clone(), view })
    }

    pub(crate) fn len(&self) -> usize {
        self.view.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.view.places.is_empty()
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.view.places.iter().map(|&place| &self.catalog.tools[place])
    }

    pub(crate) fn has(&self, place: usize) -> bool {
        self.view.places.binary_search(&place).is_ok()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tools().map(|tool| tool.info.name.as_str())
    }

    /// The source of the module of these tools: made by the first who asks, and kept as
    /// long as the view is.
    pub(crate) fn module(&self, make: impl FnOnce(&str, &[&ToolInfo]) -> String) -> Arc<str> {
        if let Some((source, _)) = self.view.module.get() {
            return source.clone();
        }
        let infos: Vec<_> = self.tools().map(|tool| &tool.info).collect();
        let source: Arc<str> = make(&self.provider.name, &infos).into();
        // Without memory for it, it is made again.
        if let Ok(charge) = self.provider.memory.try_charge(source.len()) {
            let _ = self.view.module.set((source.clone(), charge));
        }
        source
    }
}
