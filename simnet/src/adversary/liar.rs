//! Members with valid certificates that lie. Each stands between the honest node of its
//! host and the world: it lets pass what serves it, alters or drops the rest, and says
//! things of its own, signed with the host's key, over the host's own links.

use super::Adversary;
use super::mutate::{falsify, spoil, spoil_signatures};
use super::stranger::rename;
use crate::cluster::Cluster;
use crate::dice::Dice;
use orbweave_core::Output;
use orbweave_core::claim::{Claim, ClaimRange, EPOCH_MAX};
use orbweave_core::message::{Message, Offer};
use orbweave_model::{Hlc, Mono, NodeId, limit, wire};
use orbweave_scheduler::rivals::Phase;
use orbweave_scheduler::verdict::Verdict;
use orbweave_state::record::{Record, RecordKind};
use std::time::Duration;

/// What a member lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It claims every slot of everything, as running.
    ClaimsEverything,
    /// It claims with epochs at and beyond the bound.
    InflatesEpochs,
    /// It dates what it says ahead, just within the bound and beyond.
    DatesAhead,
    /// It takes every offer and runs nothing.
    AdmitsEverything,
    /// It answers probes and does nothing else.
    OnlyAnswersProbes,
    /// It keeps back what it knows.
    Withholds,
    /// It says again what it picked up long ago.
    Replays,
    /// It says of honest nodes that they are dead, to others and to themselves.
    Accuses,
    /// Its reconciliations bear false cursors, fingerprints and bodies.
    FalsifiesFrames,
    /// It says things in the name of others.
    Forges,
    /// It offers anything to anybody.
    OffersAnything,
    /// It says as much as an author may, and sends as much as it can.
    Floods,
}

/// Each lie.
pub const LIES: [Lie; 12] = [
    Lie::ClaimsEverything,
    Lie::InflatesEpochs,
    Lie::DatesAhead,
    Lie::AdmitsEverything,
    Lie::OnlyAnswersProbes,
    Lie::Withholds,
    Lie::Replays,
    Lie::Accuses,
    Lie::FalsifiesFrames,
    Lie::Forges,
    Lie::OffersAnything,
    Lie::Floods,
];

/// A kind that no version knows, for a flood.
const NONSENSE: RecordKind = RecordKind(211);
/// Records that a flood makes, all in all: enough to fill queues, few enough to go on.
const FLOOD_RECORDS: u32 = 400;

/// See the [module](self).
#[derive(Debug)]
pub struct Liar {
    dice: Dice,
    host: usize,
    lie: Lie,
    old: Vec<Vec<u8>>,
    said: u32,
}

impl Liar {
    /// A host that tells this lie.
    pub fn new(dice: Dice, host: usize, lie: Lie) -> Self {
        Self { dice, host, lie, old: Vec::new(), said: 0 }
    }

    /// What it lies about.
    pub fn lie(&self) -> Lie {
        self.lie
    }

    /// Signs something as its host, so far ahead of true time.
    fn sign(
        &mut self,
        cluster: &Cluster,
        kind: RecordKind,
        key: &str,
        ahead: Duration,
        body: Vec<u8>,
    ) -> Vec<u8> {
        self.said += 1;
        let hlc = Hlc { wall: cluster.wall() + ahead, count: self.said };
        Record::sign(&cluster.hosts[self.host].key, cluster.world.mesh, kind, key, hlc, body)
    }

    /// Says a record, by gossip and to each peer.
    fn tell(&mut self, cluster: &mut Cluster, record: &[u8]) {
        let bytes = Message::Record(record).encode();
        cluster.carry_out(self.host, Output::Publish { bytes: record.to_vec() });
        if bytes.len() <= limit::DATAGRAM_BYTES_MAX {
            for to in self.peers(cluster) {
                cluster.carry_out(self.host, Output::Datagram { to, bytes: bytes.clone() });
            }
        }
    }

    fn peers(&self, cluster: &Cluster) -> Vec<NodeId> {
        cluster.hosts[self.host].links.keys().map(|peer| cluster.hosts[*peer as usize].id).collect()
    }

    fn workloads(&self, cluster: &Cluster) -> Vec<(String, u32, u64)> {
        let node = cluster.hosts[self.host].node.as_ref();
        let all = node.map(|node| node.workloads()).unwrap_or_default();
        let live = all.into_iter().filter(|w| !w.spec.deleted);
        live.map(|w| (w.name.as_str().to_owned(), w.spec.replicas, w.spec.generation)).collect()
    }

    fn claims(&mut self, cluster: &mut Cluster, epoch: u64, ahead: Duration) {
        for (name, replicas, generation) in self.workloads(cluster) {
            let slots = (0..replicas)
                .map(|slot| ClaimRange::one(slot, epoch, Phase::Running, i64::MAX, Some(generation)));
            let body = Claim::of(slots).encode();
            let record = self.sign(cluster, RecordKind::CLAIM, &name, ahead, body);
            self.tell(cluster, &record);
        }
    }

    fn accuse(&mut self, cluster: &mut Cluster) {
        let Some(node) = cluster.hosts[self.host].node.as_ref() else { return };
        let generation = |members: &[orbweave_core::report::MemberReport], id: NodeId| {
            members.iter().find(|m| m.node == id).map(|m| m.info.generation)
        };
        let members = node.members();
        let me = cluster.hosts[self.host].id;
        let Some(mine) = generation(&members, me) else { return };
        let victims: Vec<NodeId> = members.iter().map(|m| m.node).filter(|id| *id != me).collect();
        for victim in victims {
            let theirs = generation(&members, victim).unwrap_or_default();
            // See the wire of membership: a verdict, and a notice of burial.
            let mine = wire::encode(&mine);
            let verdict = frame(3, mine.clone(), wire::encode(&(victim, theirs)));
            let buried = frame(4, mine, wire::encode(&theirs));
            for to in self.peers(cluster).into_iter().filter(|to| *to != victim) {
                let bytes = Message::Membership(&verdict).encode();
                cluster.carry_out(self.host, Output::Datagram { to, bytes });
            }
            let bytes = Message::Membership(&buried).encode();
            cluster.carry_out(self.host, Output::Datagram { to: victim, bytes });
        }
    }

    /// Newer words of others, with a signature of its own.
    fn forge(&mut self, cluster: &mut Cluster) {
        let victim = self.dice.below(cluster.hosts.len() as u64) as usize;
        let all: Vec<Record> = cluster.hosts[victim].disk.records().filter_map(|b| cluster.read(b)).collect();
        let Some(model) = self.dice.pick(&all).cloned() else { return };
        let (id, body) = (model.id().clone(), model.body().to_vec());
        let mut record = self.sign(cluster, id.kind, &id.key, Duration::from_secs(1), body);
        let me = cluster.hosts[self.host].key.public();
        rename(&mut record, me.as_bytes(), id.author.as_bytes());
        self.tell(cluster, &record);
    }

    fn offer(&mut self, cluster: &mut Cluster) {
        for (name, replicas, generation) in self.workloads(cluster) {
            let Ok(workload) = name.parse() else { continue };
            let slot = self.dice.below(u64::from(replicas) + 1) as u32;
            self.said += 1;
            let offer = Offer {
                id: u64::from(self.said),
                workload,
                generation,
                slot,
                epoch_seen: [0, 1_000, EPOCH_MAX, u64::MAX][self.dice.below(4) as usize],
                held: u32::MAX,
                score: i64::MAX,
            };
            for to in self.peers(cluster) {
                let bytes = Message::Offer(offer.clone()).encode();
                cluster.carry_out(self.host, Output::Datagram { to, bytes });
            }
        }
    }

    fn replay(&mut self, cluster: &mut Cluster) {
        let host = &cluster.hosts[self.dice.below(cluster.hosts.len() as u64) as usize];
        let count = host.disk.records().count() as u64;
        let picked = host.disk.records().nth(self.dice.below(count.max(1)) as usize).map(<[u8]>::to_vec);
        if let Some(bytes) = picked.filter(|_| self.old.len() < 256) {
            self.old.push(bytes);
        }
        if let Some(record) = self.dice.pick(&self.old).cloned() {
            self.tell(cluster, &record);
        }
    }

    fn flood(&mut self, cluster: &mut Cluster) {
        for _ in 0..10 {
            if self.said < FLOOD_RECORDS {
                let key = format!("nonsense-{}", self.said);
                let body = self.dice.seed().to_vec();
                let record = self.sign(cluster, NONSENSE, &key, Duration::ZERO, body);
                cluster.carry_out(self.host, Output::Publish { bytes: record });
            }
            let mut bytes = vec![0; self.dice.below(limit::DATAGRAM_BYTES_MAX as u64) as usize];
            spoil(&mut self.dice, &mut bytes);
            for to in self.peers(cluster) {
                cluster.carry_out(self.host, Output::Datagram { to, bytes: bytes.clone() });
            }
        }
    }
}

/// A datagram of membership: its kind, then a map of two keys.
fn frame(kind: u8, first: Vec<u8>, second: Vec<u8>) -> Vec<u8> {
    [vec![kind, 0xa2, 0], first, vec![1], second].concat()
}

impl Adversary for Liar {
    fn name(&self) -> &'static str {
        match self.lie {
            Lie::ClaimsEverything => "liar-claims-everything",
            Lie::InflatesEpochs => "liar-inflates-epochs",
            Lie::DatesAhead => "liar-dates-ahead",
            Lie::AdmitsEverything => "liar-admits-everything",
            Lie::OnlyAnswersProbes => "liar-only-answers-probes",
            Lie::Withholds => "liar-withholds",
            Lie::Replays => "liar-replays",
            Lie::Accuses => "liar-accuses",
            Lie::FalsifiesFrames => "liar-falsifies-frames",
            Lie::Forges => "liar-forges",
            Lie::OffersAnything => "liar-offers-anything",
            Lie::Floods => "liar-floods",
        }
    }

    fn act(&mut self, cluster: &mut Cluster) -> Option<Mono> {
        let (least, most) = match self.lie {
            Lie::AdmitsEverything | Lie::OnlyAnswersProbes | Lie::Withholds | Lie::FalsifiesFrames => {
                return None;
            }
            Lie::Accuses => (300, 900),
            Lie::Floods | Lie::Replays | Lie::Forges => (200, 1_000),
            _ => (1_000, 8_000),
        };
        if cluster.hosts[self.host].is_up() {
            match self.lie {
                Lie::ClaimsEverything => {
                    let epoch = self.dice.between(1, 20);
                    self.claims(cluster, epoch, Duration::ZERO);
                }
                Lie::InflatesEpochs => {
                    let epochs = [EPOCH_MAX, EPOCH_MAX + 1, u64::MAX, 1_025];
                    let epoch = self.dice.pick(&epochs).copied().unwrap_or(EPOCH_MAX);
                    self.claims(cluster, epoch, Duration::ZERO);
                }
                Lie::DatesAhead => {
                    let seconds = [29, 31, 45, 300, 4_000, 320_000_000];
                    let ahead = self.dice.pick(&seconds).copied().unwrap_or(31);
                    self.claims(cluster, 2, Duration::from_secs(ahead));
                }
                Lie::Accuses => self.accuse(cluster),
                Lie::Forges => self.forge(cluster),
                Lie::OffersAnything => self.offer(cluster),
                Lie::Replays => self.replay(cluster),
                Lie::Floods => self.flood(cluster),
                _ => {}
            }
        }
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        Some(cluster.time + self.dice.duration((least, most)))
    }

    fn intercept(&mut self, _host: usize, output: Output) -> Vec<Output> {
        match (self.lie, output) {
            // Its node hears the lie and contradicts it.
            (Lie::ClaimsEverything | Lie::InflatesEpochs | Lie::DatesAhead, Output::Publish { .. }) => {
                Vec::new()
            }
            (Lie::AdmitsEverything, Output::Datagram { to, bytes }) => match Message::decode(&bytes) {
                Ok(Message::Answer(mut answer)) => {
                    answer.verdict = Verdict::Fits;
                    vec![Output::Datagram { to, bytes: Message::Answer(answer).encode() }]
                }
                _ => vec![Output::Datagram { to, bytes }],
            },
            (Lie::AdmitsEverything, Output::Start(_)) => Vec::new(),
            (Lie::OnlyAnswersProbes, Output::Datagram { to, bytes }) => match Message::decode(&bytes) {
                Ok(Message::Membership(_)) => vec![Output::Datagram { to, bytes }],
                _ => Vec::new(),
            },
            (Lie::OnlyAnswersProbes, Output::Start(_) | Output::Publish { .. } | Output::Sync { .. }) => {
                Vec::new()
            }
            (Lie::Withholds, Output::Publish { .. }) => Vec::new(),
            (Lie::Withholds, Output::Sync { id, .. }) if !id.ours => vec![Output::SyncClose { id }],
            (
                Lie::Withholds | Lie::ClaimsEverything | Lie::InflatesEpochs | Lie::DatesAhead,
                Output::Datagram { to, bytes },
            ) => match Message::decode(&bytes) {
                Ok(Message::Record(_)) => Vec::new(),
                _ => vec![Output::Datagram { to, bytes }],
            },
            (Lie::FalsifiesFrames, Output::Sync { id, mut bytes }) => {
                // A record that is changed within its payload is refused for many reasons: one
                // of which nothing but the signature is wrong, for that alone.
                let spoilt = self.dice.chance(500_000) && spoil_signatures(&mut self.dice, &mut bytes);
                if !spoilt && self.dice.chance(700_000) {
                    falsify(&mut self.dice, &mut bytes);
                }
                vec![Output::Sync { id, bytes }]
            }
            (Lie::Forges, Output::Sync { id, mut bytes }) => {
                if self.dice.chance(200_000) {
                    spoil_signatures(&mut self.dice, &mut bytes);
                }
                vec![Output::Sync { id, bytes }]
            }
            (_, output) => vec![output],
        }
    }

    fn controls(&self, host: usize) -> bool {
        host == self.host
    }
}
