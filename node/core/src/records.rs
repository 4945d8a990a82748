//! Records coming in, going out, and becoming visible: verified, authorised,
//! merged, written down. What this node says itself is staged until it is durable.

use crate::allotment::Allotment;
use crate::body::{self, NodeBody, WorkloadBody};
use crate::cordon::Cordon;
use crate::event::{Event, EventKind};
use crate::io::{CommandId, Output, Write};
use crate::message::Message;
use crate::node::Node;
use crate::quota::Quota;
use crate::summary::Summary;
use orbweave_model::plant::{self, Plant};
use orbweave_model::{Hash, Hlc, Namespace, NodeId, PublicKey, WorkloadName, limit, wire};
use orbweave_state::record::{Record, RecordId, RecordKind, Scope};
use orbweave_state::store::Merge;
use orbweave_trust::{Applied, Certificate, Release, Roles, TrustError, TrustStatement};
use std::time::Duration;

/// Records from the future that are kept until their time comes.
pub(crate) const HELD_BACK_MAX: usize = 1_024;
/// Node records that expired and stay on the disk, at most.
pub(crate) const KEPT_MAX: usize = limit::MEMBERS_MAX;
/// Beyond this a record from the future is not kept.
const HELD_BACK_FOR: Duration = Duration::from_secs(3600);

/// What is owed to others once a staged record is durable.
#[derive(Debug, Clone)]
pub(crate) enum Promise {
    /// Tell the person who handed it in.
    Reply(CommandId),
    /// Tell the placer that its offer is accepted.
    Answer {
        /// The placer.
        to: NodeId,
        /// Its offer.
        offer: u64,
        /// Of which workload.
        workload: WorkloadName,
        /// Which slot of it.
        slot: u32,
    },
    /// Go on with a slot that is now claimed.
    Claimed {
        /// The workload.
        workload: WorkloadName,
        /// The slot.
        slot: u32,
    },
}

/// A record that waits for its batch to be durable.
#[derive(Debug)]
pub(crate) struct Staged {
    pub record: Record,
    pub promises: Vec<Promise>,
    /// Others may believe something else, so that it is news though this node said it before.
    pub contradicts: bool,
}

/// How a record came: news that did not come by gossip is spread on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Gossip,
    Direct,
    /// From a node of another zone.
    Beyond,
    /// From a node on scheduled links, which tells its hosts alone.
    Carried,
}

/// A message with a record that its reader should not wait for, if it is short enough.
pub(crate) fn in_a_datagram(record: &Record) -> Option<Vec<u8>> {
    let bytes = Message::Record(record.bytes()).encode();
    (bytes.len() <= limit::DATAGRAM_BYTES_MAX).then_some(bytes)
}

/// Records are taken in this order, since the later kinds ask for the earlier.
pub(crate) fn order(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::TRUST => 0,
        RecordKind::NODE => 1,
        RecordKind::SUMMARY => 2,
        RecordKind::WORKLOAD => 3,
        RecordKind::CLAIM => 4,
        RecordKind::ALLOTMENT => 5,
        RecordKind::CORDON | RecordKind::QUOTA => 6,
        _ => 7,
    }
}

impl Node {
    /// Records from a peer, in any order.
    pub(crate) fn take_all(&mut self, envelopes: Vec<Vec<u8>>, way: Way) {
        let mut records: Vec<Record> = Vec::new();
        for bytes in envelopes {
            // What is here already need not be verified again: gossip brings many copies.
            let unknown =
                |id: &RecordId, digest: &Hash| self.store.get(id).is_none_or(|held| held.digest() != *digest);
            match Record::open_if(&bytes, self.mesh, &*self.check, unknown) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(error) => self.refused(None, error.to_string()),
            }
        }
        records.sort_by_key(|r| order(r.id().kind));
        for record in records {
            self.take(record, way);
        }
    }

    fn take(&mut self, record: Record, way: Way) {
        let id = record.id().clone();
        if !self.is_news(&record) {
            return;
        }
        if way == Way::Beyond && id.kind != RecordKind::NODE && id.kind.scope() == Scope::Zone {
            return;
        }
        if let Err(why) = self.authorise(&record) {
            return self.refused(Some(id.author), why);
        }
        if self.is_of_another_zone(&record) {
            return;
        }
        let ahead = Duration::from_millis(record.hlc().wall.0.saturating_sub(self.wall().0));
        if ahead > limit::CLOCK_AHEAD_MAX && !plant::on(Plant::HoldBackOff) {
            return self.hold_back(record, ahead);
        }
        // Own records of a life that this store forgot would win over new ones.
        if id.author == self.me.into() {
            self.hlc.observe(record.hlc());
            if id.kind == RecordKind::CLAIM
                && let Ok(name) = id.key.parse::<WorkloadName>()
                && self.claim_of(&name).encode() != record.body()
            {
                return self.contradict(&name);
            }
        }
        // A session has one cutoff for both sides; a rumour has none, and what some have
        // dropped already would circulate among clocks that differ.
        if self.store.expires(&record).is_some_and(|end| end <= self.wall()) {
            return;
        }
        let news = self.says_more(&record);
        if let Merge::Applied { .. } = self.store.merge(record.clone()) {
            self.kept.remove(&id);
            self.hlc.observe(record.hlc());
            self.write(&record);
            self.index(&record);
            if news && !self.is_carried() {
                self.pass_on(&record, way);
            }
        }
    }

    /// Tells others what is new.
    fn pass_on(&mut self, record: &Record, way: Way) {
        self.spread_beyond(record);
        if way == Way::Gossip {
            return;
        }
        if way == Way::Beyond && self.gossip {
            self.relay(record);
        }
        self.spread(record);
        if way == Way::Carried {
            self.push_to_placers(record);
        }
    }

    /// A node record of another zone is not for this one; it says of what zone its author is.
    fn is_of_another_zone(&mut self, record: &Record) -> bool {
        if record.id().kind != RecordKind::NODE {
            return false;
        }
        let Ok(body) = NodeBody::of(record) else { return false };
        if body.info.zone == self.info.zone {
            return false;
        }
        self.on_stranger(record.id().author.into(), &body.info.zone, &body.info.certificate);
        true
    }

    /// Whether a record is newer than what is held of its identity, than what is on its
    /// way to the disk, and than what expired and stayed there.
    fn is_news(&self, record: &Record) -> bool {
        let newer = |than: &(Hlc, Hash)| (record.hlc(), record.digest()) > *than;
        self.store.get(record.id()).is_none_or(|held| record.supersedes(held))
            && self.pending.get(record.id()).is_none_or(newer)
            && self.kept.get(record.id()).is_none_or(newer)
    }

    /// Whether something newer of a record's identity is held, or on its way to the disk.
    fn is_outdated(&self, record: &Record) -> bool {
        let older = |than: &(Hlc, Hash)| (record.hlc(), record.digest()) < *than;
        self.store.get(record.id()).is_some_and(|held| held.supersedes(record))
            || self.pending.get(record.id()).is_some_and(older)
            || self.kept.get(record.id()).is_some_and(older)
    }

    /// Whether a record says more than that its author still says so. A mere refresh
    /// has minutes to travel, and so travels by reconciliation alone.
    fn says_more(&self, record: &Record) -> bool {
        self.store.get(record.id()).is_none_or(|held| held.body() != record.body())
    }

    /// Keeps a record until its time comes; one too far ahead comes again by itself.
    fn hold_back(&mut self, record: Record, ahead: Duration) {
        let room = self.held_back.len() < HELD_BACK_MAX || self.held_back.contains_key(record.id());
        let newer = self.held_back.get(record.id()).is_none_or(|held| record.supersedes(held));
        if room && newer && ahead <= HELD_BACK_FOR {
            self.held_back.insert(record.id().clone(), record);
        }
    }

    /// Whether a record's author may say this.
    fn authorise(&self, record: &Record) -> Result<(), String> {
        let RecordId { kind, key, author } = record.id();
        let node = NodeId::from(*author);
        // What the roots said counts, whoever of them wrapped it.
        if *kind != RecordKind::TRUST && self.authority.is_revoked(author) {
            return Err("its author's key was revoked".to_owned());
        }
        match *kind {
            RecordKind::NODE => {
                if *key != author.to_string() {
                    return Err("a node record about another node".to_owned());
                }
                let body = NodeBody::of(record).map_err(|e| e.to_string())?;
                let certificate =
                    Certificate::verify(&body.info.certificate, &self.authority, self.wall(), &*self.check)
                        .map_err(|e| e.to_string())?;
                if certificate.node == node {
                    Ok(())
                } else {
                    Err("the certificate of another node".to_owned())
                }
            }
            RecordKind::CLAIM => {
                self.known_member(node)?;
                key.parse::<WorkloadName>().map_err(|e| e.to_string())?;
                body::claim(record).map(drop).map_err(|e| e.to_string())
            }
            RecordKind::WORKLOAD => {
                if !self.authority.may(author, Roles::OPERATE, self.wall()) {
                    return Err("its author has no right to deploy here".to_owned());
                }
                key.parse::<WorkloadName>().map_err(|e| e.to_string())?;
                WorkloadBody::of(record).map(drop).map_err(|e| e.to_string())
            }
            RecordKind::TRUST => {
                // Named by its content and wrapped by a root: nobody can multiply it.
                if *key != Hash::of(record.body()).to_string() {
                    return Err("a trust record that is not named by its document".to_owned());
                }
                if !self.authority.genesis().roots.contains(author) {
                    return Err("a trust record that no root wrapped".to_owned());
                }
                let genesis = self.authority.genesis();
                match TrustStatement::verify(record.body(), self.mesh, genesis, &*self.check) {
                    // Of a newer version: kept for those who understand it.
                    Ok(_) | Err(TrustError::UnknownKind { .. }) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
            RecordKind::SUMMARY => self.authorise_summary(record),
            RecordKind::ALLOTMENT => self.authorise_allotment(record),
            RecordKind::CERTIFICATE => self.authorise_renewal(key, author, record.body()),
            RecordKind::CORDON => {
                if !self.authority.may(author, Roles::OPERATE, self.wall()) {
                    return Err("its author has no right to take nodes out of service here".to_owned());
                }
                key.parse::<NodeId>().map_err(|e| e.to_string())?;
                Cordon::decode(record.body()).map(drop).map_err(|e| e.to_string())
            }
            RecordKind::QUOTA => {
                if !self.authority.may(author, Roles::ADMIT, self.wall()) {
                    return Err("its author has no right to set quotas here".to_owned());
                }
                key.parse::<Namespace>().map_err(|e| e.to_string())?;
                Quota::decode(record.body()).map(drop).map_err(|e| e.to_string())
            }
            // Of a newer version: kept and forwarded for those who understand it.
            _ if self.authority.may(author, Roles::OPERATE, self.wall()) => Ok(()),
            _ => self.known_member(node),
        }
    }

    fn known_member(&self, node: NodeId) -> Result<(), String> {
        if self.nodes.contains_key(&node) {
            Ok(())
        } else {
            Err("its author has no node record here".to_owned())
        }
    }

    /// What the node derives from a record that now holds.
    pub(crate) fn index(&mut self, record: &Record) {
        let RecordId { kind, key, author } = record.id();
        let node = NodeId::from(*author);
        match *kind {
            RecordKind::NODE => {
                if let Ok(body) = NodeBody::of(record) {
                    self.on_node_info(node, &body, record.hlc().wall);
                }
            }
            RecordKind::WORKLOAD => {
                if let Ok(name) = key.parse::<WorkloadName>() {
                    self.review_workload(&name);
                }
            }
            RecordKind::CLAIM => {
                if let (Ok(name), Ok(claim)) = (key.parse::<WorkloadName>(), body::claim(record)) {
                    self.on_claim(name, node, claim);
                }
            }
            RecordKind::TRUST => {
                let applied = self.authority.apply(record.body(), &*self.check);
                if let Ok(Applied::Changed(TrustStatement::Revoke { key })) = applied {
                    self.evict(key);
                }
            }
            RecordKind::CORDON => {
                if let Ok(node) = key.parse::<NodeId>() {
                    self.review_cordon(node);
                }
            }
            RecordKind::QUOTA => {
                if let Ok(namespace) = key.parse::<Namespace>() {
                    self.review_quota(&namespace);
                }
            }
            RecordKind::SUMMARY => {
                if let Ok(summary) = record.read(Summary::decode) {
                    self.on_summary(node, summary);
                }
            }
            RecordKind::ALLOTMENT => {
                if let (Ok(name), Ok(allotment)) = (key.parse(), record.read(Allotment::decode)) {
                    self.on_allotment(name, node, allotment);
                }
            }
            RecordKind::CERTIFICATE if *key == self.me.to_string() => self.adopt_renewal(record.body()),
            _ => {}
        }
    }

    /// Forgets what a record said that no longer holds.
    fn unindex(&mut self, id: &RecordId) {
        let node = NodeId::from(id.author);
        match id.kind {
            RecordKind::NODE => {
                self.nodes.remove(&node);
                self.fleet.forget(node);
                self.touch_claims_of(node);
                if node != self.me {
                    self.certificates.remove(&node);
                }
            }
            RecordKind::CLAIM => {
                if let Ok(name) = id.key.parse::<WorkloadName>() {
                    self.drop_claim(&name, node);
                    self.dirty.insert(name);
                }
            }
            RecordKind::WORKLOAD => {
                if let Ok(name) = id.key.parse::<WorkloadName>() {
                    self.review_workload(&name);
                }
            }
            RecordKind::CORDON => {
                if let Ok(node) = id.key.parse::<NodeId>() {
                    self.review_cordon(node);
                }
            }
            RecordKind::QUOTA => {
                if let Ok(namespace) = id.key.parse::<Namespace>() {
                    self.review_quota(&namespace);
                }
            }
            RecordKind::SUMMARY => self.drop_summary(node),
            RecordKind::ALLOTMENT => {
                if let Ok(name) = id.key.parse::<WorkloadName>() {
                    self.drop_allotment(&name, node);
                }
            }
            _ => {}
        }
    }

    /// Says something: staged now, visible to all once it is durable.
    pub(crate) fn say(&mut self, kind: RecordKind, key: &str, body: Vec<u8>, promises: Vec<Promise>) {
        let hlc = self.hlc.tick(self.wall());
        let bytes = Record::sign(&self.key, self.mesh, kind, key, hlc, body);
        // What this node signs, it need not verify; but it must be readable.
        match Record::open(&bytes, self.mesh, &*self.check) {
            Ok(record) => self.stage(record, promises),
            Err(error) => self.refused(Some(self.me.into()), error.to_string()),
        }
    }

    pub(crate) fn stage(&mut self, record: Record, promises: Vec<Promise>) {
        self.write(&record);
        self.pending.insert(record.id().clone(), (record.hlc(), record.digest()));
        let mut staged = Staged { record, promises, contradicts: false };
        if plant::on(Plant::PromiseBeforePersistence) {
            std::mem::take(&mut staged.promises).into_iter().for_each(|promise| self.keep(promise));
        }
        self.staged.push(staged);
    }

    /// A staged record became durable.
    pub(crate) fn make_visible(&mut self, staged: Staged) {
        let Staged { record, promises, contradicts } = staged;
        if self.pending.get(record.id()) == Some(&(record.hlc(), record.digest())) {
            self.pending.remove(record.id());
        }
        let news = contradicts || self.says_more(&record);
        let is_own = record.id().kind == RecordKind::NODE && record.id().author == self.me.into();
        let first = is_own && self.store.get(record.id()).is_none();
        if let Merge::Applied { .. } = self.store.merge(record.clone()) {
            self.index(&record);
            if first {
                // Links that came up before it was durable had nothing to be introduced by.
                let linked: Vec<NodeId> = self.linked().chain(self.linked_beyond()).collect();
                linked.into_iter().for_each(|peer| self.introduce_to(peer));
            }
            if self.is_carried() {
                self.tell_hosts(&record);
                self.exchange_soon();
            } else if news && self.gossip {
                self.outputs.push_back(Output::Publish { bytes: record.bytes().to_vec() });
            }
            if news && !self.is_carried() {
                self.push_to_placers(&record);
                self.spread(&record);
                self.spread_beyond(&record);
            }
        }
        for promise in promises {
            self.keep(promise);
        }
    }

    /// A claim goes straight to those who would place its slots next, so that
    /// they need not wait for gossip or reconciliation.
    fn push_to_placers(&mut self, record: &Record) {
        if record.id().kind != RecordKind::CLAIM {
            return;
        }
        let Ok(claim) = body::claim(record) else { return };
        let Some(bytes) = in_a_datagram(record) else { return };
        let placers = self.next_placers(&record.id().key, &claim);
        #[cfg(feature = "plants")]
        let placers = crate::plants::unordered(placers);
        for to in placers {
            self.outputs.push_back(Output::Datagram { to, bytes: bytes.clone() });
        }
    }

    /// A claim of this node, which is on scheduled links, goes to its hosts without the wait
    /// for an exchange: until they know of it others offer the slot again.
    fn tell_hosts(&mut self, record: &Record) {
        if record.id().kind == RecordKind::CLAIM
            && let Some(bytes) = in_a_datagram(record)
        {
            for to in self.contact.hosts().to_vec() {
                self.outputs.push_back(Output::Datagram { to, bytes: bytes.clone() });
            }
        }
    }

    pub(crate) fn on_gossip(&mut self, bytes: &[u8]) {
        self.relayed(bytes);
        self.take_all(vec![bytes.to_vec()], Way::Gossip);
    }

    /// A person hands in a record: it is verified wholly before anything is promised.
    pub(crate) fn on_submit(&mut self, id: CommandId, bytes: &[u8]) {
        match self.examine(bytes) {
            Ok(record) => self.stage(record, vec![Promise::Reply(id)]),
            Err(why) => self.reply(id, Err(why)),
        }
    }

    fn examine(&mut self, bytes: &[u8]) -> Result<Record, String> {
        let record = Record::open(bytes, self.mesh, &*self.check).map_err(|e| e.to_string())?;
        if record.hlc().wall > self.wall() + limit::CLOCK_AHEAD_MAX {
            return Err(
                "it is dated ahead of this node's clock: set the clock of the machine that signed it".into(),
            );
        }
        self.authorise(&record)?;
        if record.id().kind == RecordKind::WORKLOAD {
            let spec = WorkloadBody::of(&record).map_err(|e| e.to_string())?.spec.clone();
            if !spec.deleted {
                Release::verify(&spec.release, &self.authority, &self.guard, self.wall(), &*self.check)
                    .map_err(|e| e.to_string())?;
            }
        }
        if self.is_outdated(&record) {
            let what = match record.id().kind {
                RecordKind::WORKLOAD => "a newer specification of this workload",
                _ => "something newer about the same",
            };
            return Err(format!("{what} is here already: read it and try again"));
        }
        // Whoever got no answer asks again: the same words are taken again.
        Ok(record)
    }

    /// What is due: records whose time has come, ones whose time is over, our own anew.
    pub(crate) fn tick_records(&mut self) {
        let horizon = self.wall() + limit::CLOCK_AHEAD_MAX;
        for (id, record) in std::mem::take(&mut self.held_back) {
            if record.hlc().wall > horizon {
                self.held_back.insert(id, record);
            } else {
                self.take(record, Way::Direct);
            }
        }
        let now = self.wall();
        for record in self.store.expire(now, &self.me.into()) {
            // A node's record stays on disk as long as a partition may last: after a
            // restart it is the only one who knows where that node was.
            let kept = record.id().kind == RecordKind::NODE
                && record.hlc().wall + self.authority.genesis().partition_max() > now
                && self.kept.len() < KEPT_MAX;
            if kept {
                self.kept.insert(record.id().clone(), (record.hlc(), record.digest()));
            } else {
                self.writes.push(Write::DropRecord { key: wire::encode(record.id()) });
            }
            self.unindex(record.id());
        }
        if self.is_carried() {
            self.say_that_it_lives();
        } else if self.now.mono >= self.next_refresh {
            self.publish_node_record();
        }
    }

    /// Says anew who this node is.
    pub(crate) fn publish_node_record(&mut self) {
        self.next_refresh = self.refresh_due();
        self.own_changed = true;
        self.said_that_it_lives(self.wall());
        self.say(RecordKind::NODE, &self.me.to_string(), self.info.encode(), Vec::new());
    }

    /// Bars a revoked key and forgets all that it said.
    fn evict(&mut self, key: PublicKey) {
        let kept = self.kept.extract_if(.., |id, _| id.author == key).map(|(id, _)| id);
        for id in kept.collect::<Vec<_>>() {
            self.writes.push(Write::DropRecord { key: wire::encode(&id) });
        }
        for id in self.store.bar(key) {
            self.writes.push(Write::DropRecord { key: wire::encode(&id) });
            self.unindex(&id);
        }
        let peer = NodeId::from(key);
        if peer == self.me {
            // A known revocation always stops the work.
            return self.on_leave();
        }
        self.membership.forget(peer);
        self.clock.forget(peer);
        self.zones.strangers.remove(&peer);
        self.peers.remove(&peer);
        self.unlinked.remove(&peer);
        self.outputs.push_back(Output::Evict { peer });
        // A publisher's revocation stops what it released.
        for name in self.desired.keys().cloned().collect::<Vec<_>>() {
            self.review_workload(&name);
        }
        self.review_cordons();
        self.review_quotas();
    }

    fn write(&mut self, record: &Record) {
        self.writes.push(Write::PutRecord { key: wire::encode(record.id()), value: record.bytes().to_vec() });
    }

    fn refused(&mut self, author: Option<PublicKey>, why: String) {
        let mut event = Event::new(EventKind::RecordRefused, "a record was refused").because(why);
        event.about = author.map(NodeId::from);
        self.notify(event);
    }
}
