//! Those who mean harm: strangers, and members that lie. Each is a file of its own
//! here; this is what the engine asks of it.

mod liar;
pub(crate) mod mutate;
mod names;
mod stranger;

pub use liar::{LIES, Liar, Lie};
pub use names::{LIARS, STRANGERS, by_name};
pub use stranger::{NOISES, Noise, Stranger};

use crate::cluster::Cluster;
use crate::step::Due;
use orbweave_core::Output;
use orbweave_model::Mono;

/// Somebody hostile. It acts when it asked to be woken, and may stand between the node
/// of a host and its links.
pub trait Adversary {
    /// Its name, for reports.
    fn name(&self) -> &'static str;

    /// Acts: it may feed any host any input, as whoever reaches it on a link could. Gives
    /// the time at which it wants to act again.
    fn act(&mut self, cluster: &mut Cluster) -> Option<Mono>;

    /// What a node put out, before it is carried out: a member that lies sends something
    /// else in its place, or nothing. Others leave it as it is.
    fn intercept(&mut self, _host: usize, output: Output) -> Vec<Output> {
        vec![output]
    }

    /// Whether [`Adversary::intercept`] stands before this host.
    fn controls(&self, _host: usize) -> bool {
        false
    }
}

impl Cluster {
    /// Sends all adversaries away, those that waited to act too. Hosts that lied go on as
    /// the honest nodes that stand behind them.
    pub fn dismiss_adversaries(&mut self) {
        self.adversaries.clear();
    }

    /// Lets somebody hostile in, who acts for the first time now.
    pub fn admit_adversary(&mut self, adversary: Box<dyn Adversary>) {
        self.liars.extend((0..self.hosts.len()).filter(|i| adversary.controls(*i)));
        self.adversaries.push(Some(adversary));
        self.queues[0].put(self.time, Due::Adversary(self.adversaries.len() - 1));
    }

    /// Everybody hostile goes. Gives the hosts that were under their control.
    pub fn banish_adversaries(&mut self) -> Vec<usize> {
        let controlled = (0..self.hosts.len()).filter(|i| self.is_controlled(*i)).collect();
        self.adversaries.iter_mut().for_each(|adversary| *adversary = None);
        controlled
    }

    pub(crate) fn wake_adversary(&mut self, which: usize) {
        // It is out of its place while it acts on the cluster that holds it.
        let Some(mut adversary) = self.adversaries.get_mut(which).and_then(Option::take) else { return };
        if let Some(next) = adversary.act(self) {
            self.queues[0].put(next.max(self.time), Due::Adversary(which));
        }
        if let Some(place) = self.adversaries.get_mut(which) {
            *place = Some(adversary);
        }
    }

    /// Carries an output out, as those who control its host let it.
    pub(crate) fn put_out(&mut self, i: usize, output: Output) {
        let controls = |a: &&mut Option<Box<dyn Adversary>>| a.as_ref().is_some_and(|a| a.controls(i));
        match self.adversaries.iter_mut().find(controls).and_then(Option::as_mut) {
            None => self.carry_out(i, output),
            Some(adversary) => {
                for output in adversary.intercept(i, output) {
                    self.carry_out(i, output);
                }
            }
        }
    }

    /// Whether nobody hostile is about.
    pub fn is_honest(&self) -> bool {
        self.adversaries.iter().all(Option::is_none)
    }

    /// Whether somebody hostile controls this host, or did, so that nothing it says is
    /// held against the honest.
    pub fn is_controlled(&self, i: usize) -> bool {
        self.liars.contains(&i)
    }
}
