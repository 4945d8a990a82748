//! Links of satellites: open while one is above a station, or while two see each other;
//! as long as light takes between them; and with a spike at each reallocation.

use super::contact::{Contacts, DelayAt};
use super::model::LinkModel;
use super::topology::{Route, Topology};
use crate::dice::Dice;
use crate::world::BEGIN;
use orbweave_contact::{
    GroundStation, Moment, Satellite, Search, SearchError, Spike, Vec3, Window, allocation, delay_us,
};
use orbweave_model::{Mono, Wall};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The shortest pass that is not missed.
const SHORTEST_PASS: Duration = Duration::from_secs(15);
/// Light in a fibre takes this many microseconds for ten kilometres, on a way that is
/// longer than the straight one.
const FIBRE_US_10_KM: f64 = 50.0 * 1.4;

/// What a host is in the sky or under it.
#[derive(Debug, Clone)]
pub enum Body {
    /// Neither.
    Land,
    /// It passes over.
    Satellite(Arc<Satellite>),
    /// It is passed over.
    Station(Arc<GroundStation>),
}

/// Links of hosts of which some are satellites; those on land are linked as another
/// topology says, and stations besides by how far they are from one another.
#[derive(Debug)]
pub struct SkyLinks {
    bodies: Vec<Body>,
    windows: BTreeMap<(u32, u32), Arc<Contacts>>,
    closed: Arc<LinkModel>,
    radio: LinkModel,
    spike: Option<Spike>,
    land: Box<dyn Topology>,
}

impl SkyLinks {
    /// Computes every contact of the run ahead: passes, and those of a grid of pairs.
    pub fn new(
        bodies: Vec<Body>,
        grid: &[(u32, u32)],
        length: Duration,
        spike: bool,
        land: Box<dyn Topology>,
    ) -> Result<Self, SearchError> {
        let (mut up, mut satellites, mut down, mut stations) = (vec![], vec![], vec![], vec![]);
        for (i, body) in (0..).zip(&bodies) {
            match body {
                Body::Land => {}
                Body::Satellite(satellite) => {
                    up.push(i);
                    satellites.push((**satellite).clone());
                }
                Body::Station(station) => {
                    down.push(i);
                    stations.push((**station).clone());
                }
            }
        }
        let search = Search::new(BEGIN, length, SHORTEST_PASS)?;
        let mut open: BTreeMap<(u32, u32), Vec<(Mono, Mono)>> = BTreeMap::new();
        for pass in search.passes(&satellites, &stations)? {
            let pair = (up[pass.satellite], down[pass.station]);
            open.entry(pair).or_default().push(times(pass.window));
        }
        let at = |host: u32| up.binary_search(&host).ok();
        let pairs: Vec<(usize, usize)> = grid.iter().filter_map(|(a, b)| Some((at(*a)?, at(*b)?))).collect();
        for link in search.crosslinks(&satellites, &pairs)? {
            open.entry((up[link.first], up[link.second])).or_default().push(times(link.window));
        }
        let windows = open.into_iter().map(|(pair, all)| (pair, Arc::new(Contacts::new(all)))).collect();
        let closed = Arc::new(LinkModel::orbit().contacts(Contacts::default()));
        let spike = spike.then(Spike::default);
        Ok(Self { bodies, windows, closed, radio: LinkModel::orbit(), spike, land })
    }

    /// When two hosts are in contact.
    pub fn contacts(&self, a: u32, b: u32) -> Option<&Contacts> {
        self.shared(a, b).map(|contacts| &**contacts)
    }

    fn shared(&self, a: u32, b: u32) -> Option<&Arc<Contacts>> {
        self.windows.get(&(a, b)).or_else(|| self.windows.get(&(b, a)))
    }

    fn body(&self, end: u32) -> &Body {
        self.bodies.get(end as usize).unwrap_or(&Body::Land)
    }
}

impl Topology for SkyLinks {
    fn route(&self, from: u32, to: u32) -> Route {
        let (a, b) = (self.body(from), self.body(to));
        if let (Body::Land | Body::Station(_), Body::Land | Body::Station(_)) = (a, b) {
            let mut route = self.land.route(from, to);
            if let (Body::Station(a), Body::Station(b)) = (a, b) {
                let us = (b.position() - a.position()).norm() / 10.0 * FIBRE_US_10_KM;
                route.extra += Duration::from_micros(us as u64);
            }
            return route;
        }
        let pair = (from.min(to), from.max(to));
        let Some(contacts) = self.shared(from, to) else {
            return Route { model: self.closed.clone(), extra: Duration::ZERO };
        };
        let user = matches!(a, Body::Station(_)) || matches!(b, Body::Station(_));
        let geometry = Geometry {
            ends: [a.clone(), b.clone()],
            spike: self.spike.filter(|_| user),
            dice: Dice::new(u64::from(pair.0) << 32 | u64::from(pair.1)),
        };
        let mut model = self.radio.clone().delay_at(geometry);
        model.contacts = Some(contacts.clone());
        Route { model: Arc::new(model), extra: Duration::ZERO }
    }
}

/// The delay between two bodies.
#[derive(Debug)]
struct Geometry {
    ends: [Body; 2],
    spike: Option<Spike>,
    dice: Dice,
}

impl DelayAt for Geometry {
    fn delay_at(&self, at: Mono) -> Duration {
        let wall = wall(at);
        let moment = Moment::at(wall);
        let position = |body: &Body| -> Option<Vec3> {
            match body {
                Body::Land => None,
                Body::Satellite(satellite) => satellite.whereabouts(&moment),
                Body::Station(station) => Some(station.position()),
            }
        };
        let [a, b] = &self.ends;
        let (Some(a), Some(b)) = (position(a), position(b)) else { return Duration::ZERO };
        let spike = self.spike.map_or(0, |spike| {
            let begins = allocation(wall).begins;
            // Not each reaches the peak; how much is drawn anew for each.
            let strength = (self.dice.child(begins.0).roll() % 1_001) as u16;
            spike.extra_us(Duration::from_millis(wall.0.saturating_sub(begins.0)), strength)
        });
        Duration::from_micros(delay_us((b - a).norm()) + spike)
    }
}

fn wall(at: Mono) -> Wall {
    BEGIN + at.since(Mono(0))
}

fn times(window: Window) -> (Mono, Mono) {
    let mono = |at: Wall| Mono(at.0.saturating_sub(BEGIN.0).saturating_mul(1_000_000));
    (mono(window.begins), mono(window.ends))
}
