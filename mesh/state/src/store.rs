//! The records that a node holds, in memory; the driver keeps their bytes on disk.
//!
//! Beside the records by identity the store keeps what reconciliation asks for, at
//! each merge and removal: an index in order of (wall time, digest) that knows the
//! fingerprint of any range, the order of arrival, and when what expires.

pub mod index;
pub mod view;

use crate::record::{Record, RecordId, RecordKind, Scope};
use index::{Entry, Index, Key};
use minicbor::{Decode, Encode};
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, PublicKey, Wall, limit, wire};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use view::View;

/// How long a node's record holds after its author's last refresh, where it says nothing else.
pub const NODE_RECORD_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a zone's summary holds after its gateway's last word, and its allotments with it.
pub const SUMMARY_LIFE: Duration = Duration::from_secs(45 * 60);
/// The longest life that a node's record may ask for: one on scheduled links is dark for long.
pub const NODE_RECORD_LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// It holds now.
    Applied {
        /// Whether an older one of the same identity was there.
        replaced: bool,
    },
    /// That very record was there already.
    Known,
    /// A newer one of the same identity is there.
    Stale,
    /// Its author was evicted.
    Barred,
    /// The store, or the author's share of it, is full.
    Full,
}

/// How much a store takes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Records in all.
    pub records: usize,
    /// Records of one author.
    pub records_per_author: usize,
    /// Bytes of records of one author.
    pub bytes_per_author: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            records: limit::RECORDS_MAX,
            records_per_author: limit::RECORDS_PER_AUTHOR_MAX,
            bytes_per_author: limit::RECORD_BYTES_PER_AUTHOR_MAX,
        }
    }
}

/// How far a store's arrivals went: of which store, and up to which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Mark {
    /// The store's number, another in each life.
    #[n(0)]
    pub store: u64,
    /// The last arrival.
    #[n(1)]
    pub upto: u64,
}

/// Records by identity.
#[derive(Debug, Default, Clone)]
pub struct Store {
    /// A random number, another in each life: what a peer remembers of one life's
    /// arrivals says nothing about the next one's.
    number: u64,
    bounds: Bounds,
    records: BTreeMap<ById, u64>,
    by_author: BTreeMap<PublicKey, Share>,
    barred: BTreeSet<PublicKey>,
    index: Index,
    /// Of the records that travel beyond the zone.
    mesh_wide: Index,
    /// When what expires stops to hold.
    expiring: BTreeSet<(Wall, Key)>,
    arrivals: BTreeMap<u64, Record>,
    arrived: u64,
}

/// A record that is found by its identity.
#[derive(Debug, Clone)]
struct ById(Record);

impl Borrow<RecordId> for ById {
    fn borrow(&self) -> &RecordId {
        self.0.id()
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id().cmp(other.0.id())
    }
}

/// What one author takes of the store.
#[derive(Debug, Default, Clone)]
struct Share {
    records: usize,
    bytes: usize,
    /// Its node record, and with it claims and kinds of a newer version.
    as_node: Tie,
    /// Its summary of a zone, and with it allotments.
    as_gateway: Tie,
}

/// Records of an author that live for as long as another one of its own.
#[derive(Debug, Default, Clone)]
struct Tie {
    /// The wall time of that one, and how long it holds.
    refreshed: Option<(Wall, Duration)>,
    /// What lives with it, in order.
    dependents: Vec<Key>,
}

impl Tie {
    fn end_of(&self, key: &Key, alone: Duration) -> Wall {
        let (refreshed, life) = self.refreshed.unwrap_or((key.wall, alone));
        refreshed.max(key.wall) + life
    }
}

impl Share {
    fn tie(&mut self, to: Anchor) -> &mut Tie {
        match to {
            Anchor::Node => &mut self.as_node,
            Anchor::Gateway => &mut self.as_gateway,
        }
    }

    fn end_of(&self, key: &Key, with: Anchor) -> Wall {
        match with {
            Anchor::Node => self.as_node.end_of(key, NODE_RECORD_LIFE),
            Anchor::Gateway => self.as_gateway.end_of(key, SUMMARY_LIFE),
        }
    }
}

/// The record of an author that others of its own live with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Node,
    Gateway,
}

impl Store {
    /// A store whose arrivals are told apart by this random number.
    pub fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// The same with other bounds than a node's.
    pub fn with_bounds(number: u64, bounds: Bounds) -> Self {
        Self { number, bounds, ..Self::default() }
    }

    /// Takes a verified, authorised record in. Commutative, associative and idempotent.
    pub fn merge(&mut self, record: Record) -> Merge {
        let author = record.id().author;
        // What the roots said counts also where the one that wrapped it is revoked.
        if self.barred.contains(&author) && record.id().kind != RecordKind::TRUST
            || self.renews_barred(record.id())
        {
            return Merge::Barred;
        }
        let held = self.get(record.id());
        if held.is_some_and(|held| held.digest() == record.digest()) {
            return Merge::Known;
        }
        if held.is_some_and(|held| !record.supersedes(held)) {
            return Merge::Stale;
        }
        let replaced = held.is_some();
        let gone = held.map_or(0, |held| held.bytes().len());
        let (records, bytes) =
            self.by_author.get(&author).map_or((0, 0), |share| (share.records, share.bytes));
        let full = bytes - gone + record.bytes().len() > self.bounds.bytes_per_author
            || (!replaced
                && (records >= self.bounds.records_per_author || self.records.len() >= self.bounds.records));
        if full {
            return Merge::Full;
        }
        let id = record.id().clone();
        if plant::on(Plant::AnotherAuthorSupersedes) {
            let older = self.rivals(id.kind, &id.key).filter(|rival| rival.hlc() < record.hlc());
            for rival in older.map(|rival| rival.id().clone()).collect::<Vec<_>>() {
                self.remove(&rival);
            }
        }
        self.remove(&id);
        self.insert(record);
        Merge::Applied { replaced }
    }

    /// Evicts every record of a key, and the renewals of its certificate, and bars it,
    /// whichever arrived first.
    /// Returns the identities that went.
    pub fn bar(&mut self, author: PublicKey) -> Vec<RecordId> {
        self.barred.insert(author);
        let gone: Vec<RecordId> = self
            .iter()
            .map(Record::id)
            .filter(|id| id.author == author && id.kind != RecordKind::TRUST || self.renews_barred(id))
            .cloned()
            .collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }

    /// Whether a record renews the certificate of a barred key. Whoever joins later
    /// refuses it, so that stores would differ for ever if others kept it.
    fn renews_barred(&self, id: &RecordId) -> bool {
        id.kind == RecordKind::CERTIFICATE && id.key.parse().is_ok_and(|key| self.barred.contains(&key))
    }

    /// Whether records of this key are refused.
    pub fn is_barred(&self, author: &PublicKey) -> bool {
        self.barred.contains(author)
    }

    /// The record of this identity.
    pub fn get(&self, id: &RecordId) -> Option<&Record> {
        self.records.get_key_value(id).map(|(held, _)| &held.0)
    }

    /// Every record of a kind, in order of key and author.
    pub fn of_kind(&self, kind: RecordKind) -> impl Iterator<Item = &Record> {
        self.records
            .range::<RecordId, _>(first_of(kind, "")..)
            .map(|(held, _)| &held.0)
            .take_while(move |record| record.id().kind == kind)
    }

    /// The records of a kind and key, one an author.
    pub fn rivals<'a>(&'a self, kind: RecordKind, key: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records
            .range::<RecordId, _>(first_of(kind, key)..)
            .map(|(held, _)| &held.0)
            .take_while(move |record| record.id().kind == kind && record.id().key == key)
    }

    /// Every record.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.keys().map(|held| &held.0)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When a record that is held stops to hold: a node's by its refresh, a claim with
    /// its holder's node record, what is to be kept never.
    pub fn expires(&self, record: &Record) -> Option<Wall> {
        match life(record.id().kind) {
            Life::Kept => None,
            Life::Own(_) => Some(record.hlc().wall + own_life(record)),
            Life::With(anchor) => {
                let share = self.by_author.get(&record.id().author);
                Some(share.unwrap_or(&Share::default()).end_of(&key_of(record), anchor))
            }
        }
    }

    /// The records that hold at `cutoff`: what two nodes of one zone compare.
    pub fn live(&self, cutoff: Wall) -> View<'_> {
        self.live_in(Scope::Zone, cutoff)
    }

    /// Those of them that two nodes with this in common compare.
    pub fn live_in(&self, scope: Scope, cutoff: Wall) -> View<'_> {
        View::new(self, scope, cutoff)
    }

    fn index_of(&self, scope: Scope) -> &Index {
        match scope {
            Scope::Zone => &self.index,
            Scope::Mesh => &self.mesh_wide,
        }
    }

    /// How far arrivals went: what a peer that has all of them remembers.
    pub fn mark(&self) -> Mark {
        Mark { store: self.number, upto: self.arrived }
    }

    /// The record of this key, as reconciliation sees it.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.index.at_or_after(key).filter(|entry| entry.key == *key)
    }

    /// The record of this wall time whose digest begins so.
    pub fn find(&self, wall: Wall, prefix: &[u8]) -> Option<&Entry> {
        self.find_in(Scope::Zone, wall, prefix)
    }

    /// The same among those that two nodes with this in common compare.
    pub fn find_in(&self, scope: Scope, wall: Wall, prefix: &[u8]) -> Option<&Entry> {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(prefix) {
            *to = *from;
        }
        let entry = self.index_of(scope).at_or_after(&Key { wall, digest: Hash(digest) })?;
        (entry.key.wall == wall && entry.key.digest.0.starts_with(prefix)).then_some(entry)
    }

    /// Drops what expired before `cutoff`, and returns the records. Those of `me` stay:
    /// a node that slept does not forget what it said itself.
    pub fn expire(&mut self, cutoff: Wall, me: &PublicKey) -> Vec<Record> {
        if self.expiring.first().is_none_or(|(end, _)| *end > cutoff) {
            return Vec::new();
        }
        let gone: Vec<Record> = self
            .iter()
            .filter(|r| r.id().author != *me)
            .filter(|r| self.expires(r).is_some_and(|end| end <= cutoff))
            .cloned()
            .collect();
        for record in &gone {
            self.remove(record.id());
        }
        gone
    }

    fn insert(&mut self, record: Record) {
        let key = key_of(&record);
        self.arrived += 1;
        self.arrivals.insert(self.arrived, record.clone());
        let entry = Entry { key, identity: record.identity(), bytes: record.bytes().clone() };
        if record.id().kind.scope() == Scope::Mesh {
            self.mesh_wide.insert(entry.clone());
        }
        self.index.insert(entry);
        let share = self.by_author.entry(record.id().author).or_default();
        share.records += 1;
        share.bytes += record.bytes().len();
        match life(record.id().kind) {
            Life::Kept => {}
            Life::Own(anchor) => {
                let life = own_life(&record);
                self.expiring.insert((key.wall + life, key));
                self.refresh(record.id(), anchor, Some((key.wall, life)));
            }
            Life::With(anchor) => {
                let dependents = &mut share.tie(anchor).dependents;
                if let Err(at) = dependents.binary_search(&key) {
                    dependents.insert(at, key);
                }
                self.expiring.insert((share.end_of(&key, anchor), key));
            }
        }
        self.records.insert(ById(record), self.arrived);
    }

    fn remove(&mut self, id: &RecordId) {
        let Some((ById(record), arrival)) = self.records.remove_entry(id) else { return };
        let key = key_of(&record);
        self.arrivals.remove(&arrival);
        self.index.remove(&key);
        if id.kind.scope() == Scope::Mesh {
            self.mesh_wide.remove(&key);
        }
        let Some(share) = self.by_author.get_mut(&id.author) else { return };
        share.records -= 1;
        share.bytes -= record.bytes().len();
        match life(id.kind) {
            Life::Kept => {}
            Life::Own(anchor) => {
                self.expiring.remove(&(key.wall + own_life(&record), key));
                self.refresh(id, anchor, None);
            }
            Life::With(anchor) => {
                let dependents = &mut share.tie(anchor).dependents;
                if let Ok(at) = dependents.binary_search(&key) {
                    dependents.remove(at);
                }
                self.expiring.remove(&(share.end_of(&key, anchor), key));
            }
        }
        if self.by_author.get(&id.author).is_some_and(|share| share.records == 0) {
            self.by_author.remove(&id.author);
        }
    }

    /// What other records of an author live with came or went: they live longer or shorter.
    fn refresh(&mut self, id: &RecordId, anchor: Anchor, refreshed: Option<(Wall, Duration)>) {
        // Only the one that is about its author counts.
        if id.key != id.author.to_string() {
            return;
        }
        let Some(share) = self.by_author.get_mut(&id.author) else { return };
        for key in share.tie(anchor).dependents.clone() {
            self.expiring.remove(&(share.end_of(&key, anchor), key));
        }
        share.tie(anchor).refreshed = refreshed;
        for key in share.tie(anchor).dependents.clone() {
            self.expiring.insert((share.end_of(&key, anchor), key));
        }
    }
}

/// By what a record's life is measured.
enum Life {
    Kept,
    /// By its own age; others live with it.
    Own(Anchor),
    With(Anchor),
}

fn life(kind: RecordKind) -> Life {
    match kind {
        RecordKind::NODE => Life::Own(Anchor::Node),
        RecordKind::SUMMARY => Life::Own(Anchor::Gateway),
        RecordKind::ALLOTMENT => Life::With(Anchor::Gateway),
        RecordKind::WORKLOAD
        | RecordKind::TRUST
        | RecordKind::CERTIFICATE
        | RecordKind::CORDON
        | RecordKind::QUOTA => Life::Kept,
        // A claim, and what only a newer version understands.
        _ => Life::With(Anchor::Node),
    }
}

/// How long a node record holds: as it says itself, within bounds; all that the store
/// reads of a body. A summary holds as long as any other.
fn own_life(record: &Record) -> Duration {
    #[derive(Decode)]
    #[cbor(map)]
    struct Lives {
        #[n(8)]
        lives_ms: Option<u64>,
    }
    if record.id().kind == RecordKind::SUMMARY {
        return SUMMARY_LIFE;
    }
    let body = wire::decode_open::<Lives>("a node record", record.body(), limit::RECORD_BYTES_MAX);
    match body.ok().and_then(|body| body.lives_ms) {
        Some(ms) => Duration::from_millis(ms).clamp(NODE_RECORD_LIFE, NODE_RECORD_LIFE_MAX),
        None => NODE_RECORD_LIFE,
    }
}

fn key_of(record: &Record) -> Key {
    Key { wall: record.hlc().wall, digest: record.digest() }
}

fn first_of(kind: RecordKind, key: &str) -> RecordId {
    RecordId { kind, key: key.to_owned(), author: PublicKey([0; 32]) }
}
