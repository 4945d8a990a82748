//! Which model each link follows: by class, by a matrix of round trips, or one by one.

use super::model::LinkModel;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// What one direction of a link follows: a model that many share, and a distance.
#[derive(Debug, Clone)]
pub struct Route {
    /// The model.
    pub model: Arc<LinkModel>,
    /// Delay beyond the model's.
    pub extra: Duration,
}

/// Says of each direction what it follows. Asked once for each that is used.
pub trait Topology: Debug + Send {
    /// The direction from one end to another.
    fn route(&self, from: u32, to: u32) -> Route;
}

impl Topology for Box<dyn Topology> {
    fn route(&self, from: u32, to: u32) -> Route {
        (**self).route(from, to)
    }
}

/// All links alike.
#[derive(Debug, Clone)]
pub struct Uniform(Arc<LinkModel>);

impl Uniform {
    /// All links follow this model.
    pub fn new(model: LinkModel) -> Self {
        Self(Arc::new(model))
    }
}

impl Topology for Uniform {
    fn route(&self, _: u32, _: u32) -> Route {
        Route { model: self.0.clone(), extra: Duration::ZERO }
    }
}

/// Ends lie in sites: one model within a site, another between two.
#[derive(Debug, Clone)]
pub struct Sites {
    /// The site of each end.
    pub site: Vec<u32>,
    /// Within a site.
    pub inside: Arc<LinkModel>,
    /// From one site to another.
    pub between: Arc<LinkModel>,
}

impl Topology for Sites {
    fn route(&self, from: u32, to: u32) -> Route {
        let site = |end: u32| self.site.get(end as usize);
        let model = if site(from) == site(to) { &self.inside } else { &self.between };
        Route { model: model.clone(), extra: Duration::ZERO }
    }
}

/// Ends lie in sites whose round trips were measured. The matrix need not be symmetric:
/// each direction takes half of its own entry.
#[derive(Debug, Clone)]
pub struct RoundTrips {
    /// The site of each end.
    pub site: Vec<u32>,
    /// How many sites there are.
    pub sites: usize,
    /// Round trips in microseconds, by row (from) and column (to).
    pub round_trip_us: Vec<u32>,
    /// Within a site.
    pub inside: Arc<LinkModel>,
    /// Between sites; its delay is added to that of the matrix.
    pub between: Arc<LinkModel>,
}

impl Topology for RoundTrips {
    fn route(&self, from: u32, to: u32) -> Route {
        let site = |end: u32| self.site.get(end as usize).map_or(0, |s| *s as usize);
        let (a, b) = (site(from), site(to));
        if a == b {
            return Route { model: self.inside.clone(), extra: Duration::ZERO };
        }
        let round_trip = self.round_trip_us.get(a * self.sites + b).copied().unwrap_or(0);
        Route { model: self.between.clone(), extra: Duration::from_micros(u64::from(round_trip) / 2) }
    }
}

/// Another topology with exceptions.
#[derive(Debug)]
pub struct OneByOne {
    /// What holds where nothing else is said.
    pub other: Box<dyn Topology>,
    /// Directions with a model of their own.
    pub links: BTreeMap<(u32, u32), Route>,
}

impl Topology for OneByOne {
    fn route(&self, from: u32, to: u32) -> Route {
        self.links.get(&(from, to)).cloned().unwrap_or_else(|| self.other.route(from, to))
    }
}
