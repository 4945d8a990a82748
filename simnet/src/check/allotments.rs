//! No leader takes for its zone what it knows another zone to hold.
//!
//! Judged by the allotments on its disk, of leaders by whose word it goes. What the leader
//! before it held it takes over as it was; and what a node of its own zone runs it takes up
//! where no other zone holds it.

use super::knowledge::Known;
use super::{Checker, Observed};
use crate::cluster::Cluster;
use orbweave_core::Output;
use orbweave_core::allotment::Allotment;
use orbweave_core::io::Write;
use orbweave_state::record::RecordKind;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Allotments {
    /// What a leader just took: judged once the node has put all out.
    waiting: Vec<(String, u32)>,
}

impl Checker for Allotments {
    fn name(&self) -> &'static str {
        "allotments"
    }

    fn observe(&mut self, cluster: &Cluster, host: usize, event: &Observed<'_>) -> Result<(), String> {
        match event {
            Observed::Output(Output::Persist { writes, .. }) if !cluster.is_controlled(host) => {
                self.note_taken(cluster, host, writes);
                Ok(())
            }
            Observed::Settled => self.waiting.drain(..).try_for_each(|(name, slot)| {
                let holds = |known| {
                    let elsewhere = cluster.allotted_elsewhere(host, known, &name).into_iter();
                    elsewhere.filter(|(_, a)| a.keeps(slot)).map(|(leader, _)| leader).collect::<Vec<_>>()
                };
                let heard = holds(Known::Heard);
                match holds(Known::Durable).into_iter().find(|leader| heard.contains(leader)) {
                    None => Ok(()),
                    Some(leader) => {
                        let leader =
                            cluster.host_of(&leader).map_or("a stranger", |i| &cluster.hosts[i].name);
                        Err(format!("it takes {name}/{slot} for its zone, which {leader} holds for another"))
                    }
                }
            }),
            _ => Ok(()),
        }
    }
}

impl Allotments {
    fn note_taken(&mut self, cluster: &Cluster, host: usize, writes: &[Write]) {
        for write in writes {
            if let Write::PutRecord { value, .. } = write
                && let Some(record) = cluster.read(value)
                && record.id().kind == RecordKind::ALLOTMENT
                && cluster.author_of(&record) == Some(host)
                && let Ok(allotment) = Allotment::decode(record.body())
            {
                let name = &record.id().key;
                // By whomever of its zone it was held before.
                let before = cluster.allotted_to(host, &allotment.zone, name);
                let slots =
                    allotment.claim.ranges.iter().flat_map(|range| range.slots.start..range.slots.end);
                let taken = slots.filter(|slot| before.iter().all(|claim| claim.at(*slot).is_none()));
                self.waiting.extend(taken.map(|slot| (name.clone(), slot)));
            }
        }
    }
}
