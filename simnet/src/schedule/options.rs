//! Every knob of what is drawn, in one place.

use super::bounds::{DELAY_MAX_MS, DRIFT_PPM_MAX, HOSTS_MAX};
use super::{Kind, TIME_MAX_S};
use orbweave_model::limit;
use serde::{Deserialize, Serialize};

/// Workloads of one drawn run.
const WORKLOADS_MAX: u64 = 10_000;

/// What a [`Schedule`](super::Schedule) is drawn from. A weight says how often a kind is
/// drawn beside the others; 0 means never. A range is from the least to the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultOptions {
    /// How long things go wrong, in seconds.
    pub faults_s: u64,
    /// Before the first fault the mesh has so long to come up, in seconds.
    pub quiet_s: u64,
    /// Milliseconds between two faults, on average; the seed draws a mean in this range.
    pub every_ms: (u64, u64),
    /// In how many seeds of a million a kind of fault is on.
    pub kind_on_ppm: u32,
    /// How long a fault lasts until it is undone, in milliseconds.
    pub lasts_ms: (u64, u64),

    /// A host loses its power and starts again with its disk.
    pub crash: u32,
    /// A host crashes right after its disk became slow, so that writes are lost.
    pub lost_writes: u32,
    /// A host never comes back; another one with a new key begins in its place.
    pub lost_disk: u32,
    /// A disk takes long for each transaction.
    pub slow_disk: u32,
    /// A disk is full: the node stops, as the driver of production does.
    pub full_disk: u32,
    /// A wall clock is set.
    pub clock_jump: u32,
    /// A host restarts in 1970.
    pub epoch: u32,
    /// A host stands still for a while.
    pub freeze: u32,
    /// A host says goodbye, goes, and comes back later.
    pub leave: u32,
    /// A link goes away and comes back several times.
    pub flap: u32,
    /// Nothing passes from some hosts to some others; the other way works.
    pub one_way: u32,
    /// The mesh falls into two parts.
    pub partition: u32,
    /// Hosts are cut off one after the other, and let back in another order.
    pub swizzle: u32,
    /// A site is cut off.
    pub site_cut: u32,
    /// A site loses its power, all hosts at once.
    pub site_power: u32,
    /// All gateways of a zone lose their power at once, where there are zones.
    pub gateways_lost: u32,
    /// Packets are lost, doubled and overtaken everywhere.
    pub weather: u32,
    /// Components fail to start on a host.
    pub refusal: u32,
    /// What a host runs of a workload ends by itself.
    pub instance_fails: u32,
    /// Somebody without a certificate attacks.
    pub stranger: u32,
    /// A member with a valid certificate lies.
    pub liar: u32,

    /// Clocks run fast or slow by up to so many millionths, where drift is on.
    pub drift_ppm: u32,
    /// Gossip may be off for a whole run.
    pub gossip_off: bool,
    /// Some nodes may be of the previous wire version.
    pub previous_version: bool,
    /// Certificates of some nodes may be in the second half of their lives.
    pub old_certificates: bool,
    /// Each site may be a zone of its own, and there are two at least.
    pub zones: bool,
    /// How far a wall clock is set ahead at most, in milliseconds.
    pub jump_ahead_ms: u64,
    /// How far it is set back at most.
    pub jump_back_ms: u64,
    /// What a transaction takes at most on a slow disk, in milliseconds.
    pub slow_disk_ms: (u64, u64),
    /// Packets of a million that are lost in bad weather.
    pub loss_ppm: (u32, u32),
    /// Datagrams of a million that arrive twice in bad weather.
    pub duplicate_ppm: (u32, u32),
    /// Datagrams of a million that are overtaken in bad weather.
    pub reorder_ppm: (u32, u32),
    /// By how much they are overtaken, in milliseconds.
    pub reorder_ms: (u64, u64),
    /// Of a hundred hosts, at most so many lose their disks.
    pub lost_disks_percent: u32,
    /// Sites among which hosts are spread.
    pub sites: (u32, u32),

    /// In how many seeds of a million hosts have room for one or two replicas only.
    pub tight_ppm: u32,

    /// In how many seeds of a million it stays calm for a while at the end, before one more
    /// node goes.
    pub calm_ppm: u32,

    /// Milliseconds between two changes by people, on average.
    pub change_every_ms: u64,
    /// Workloads at most.
    pub workloads: u32,
    /// Replicas of one, at most.
    pub replicas: u32,
    /// The size of a component in bytes.
    pub component_bytes: (u64, u64),
    /// How often people change replicas, labels or the release of a workload, or deploy
    /// a new one or one that was deleted.
    pub deploy: u32,
    /// How often they delete one.
    pub delete: u32,
    /// How often they revoke a node's key; at most twice in a run.
    pub revoke_node: u32,
    /// How often they revoke a publisher; at most once in a run.
    pub revoke_publisher: u32,
    /// How often they take a node out of service, or back into it.
    pub cordon: u32,
    /// How often they set the quota of a namespace, or take it away.
    pub quota: u32,
}

impl Default for FaultOptions {
    fn default() -> Self {
        Self {
            faults_s: 600,
            quiet_s: 15,
            every_ms: (4_000, 30_000),
            kind_on_ppm: 500_000,
            lasts_ms: (500, 90_000),
            crash: 6,
            lost_writes: 2,
            lost_disk: 1,
            slow_disk: 2,
            full_disk: 1,
            clock_jump: 2,
            epoch: 1,
            freeze: 4,
            leave: 2,
            flap: 3,
            one_way: 3,
            partition: 3,
            swizzle: 2,
            site_cut: 2,
            site_power: 1,
            gateways_lost: 2,
            weather: 3,
            refusal: 2,
            instance_fails: 3,
            stranger: 2,
            liar: 4,
            drift_ppm: 100,
            gossip_off: true,
            previous_version: true,
            old_certificates: true,
            zones: true,
            jump_ahead_ms: 20_000,
            jump_back_ms: 3_600_000,
            slow_disk_ms: (50, 3_000),
            loss_ppm: (1_000, 150_000),
            duplicate_ppm: (0, 100_000),
            reorder_ppm: (0, 200_000),
            reorder_ms: (1, 200),
            lost_disks_percent: 20,
            sites: (1, 3),
            tight_ppm: 300_000,
            calm_ppm: 200_000,
            change_every_ms: 20_000,
            workloads: 6,
            replicas: 5,
            component_bytes: (1_000, 20_000_000),
            deploy: 12,
            delete: 2,
            revoke_node: 1,
            revoke_publisher: 1,
            cordon: 4,
            quota: 2,
        }
    }
}

impl FaultOptions {
    /// Whether these can be drawn from; if not, what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("every-ms", (self.every_ms.0, self.every_ms.1)),
            ("lasts-ms", self.lasts_ms),
            ("slow-disk-ms", self.slow_disk_ms),
            ("reorder-ms", self.reorder_ms),
            ("component-bytes", self.component_bytes),
            ("sites", (u64::from(self.sites.0), u64::from(self.sites.1))),
            ("loss-ppm", (u64::from(self.loss_ppm.0), u64::from(self.loss_ppm.1))),
            ("duplicate-ppm", (u64::from(self.duplicate_ppm.0), u64::from(self.duplicate_ppm.1))),
            ("reorder-ppm", (u64::from(self.reorder_ppm.0), u64::from(self.reorder_ppm.1))),
        ];
        if let Some((name, (least, most))) = ranges.into_iter().find(|(_, (least, most))| least > most) {
            return Err(format!("{name}: from {least} to {most} there is nothing"));
        }
        let parts = [
            ("kind-on-ppm", self.kind_on_ppm),
            ("tight-ppm", self.tight_ppm),
            ("calm-ppm", self.calm_ppm),
            ("loss-ppm", self.loss_ppm.1),
            ("duplicate-ppm", self.duplicate_ppm.1),
            ("reorder-ppm", self.reorder_ppm.1),
        ];
        if let Some((name, ppm)) = parts.into_iter().find(|(_, ppm)| *ppm > 1_000_000) {
            return Err(format!("{name}: {ppm} of a million"));
        }
        let most = [
            ("every-ms", self.every_ms.1, DELAY_MAX_MS),
            ("lasts-ms", self.lasts_ms.1, TIME_MAX_S * 1_000),
            ("slow-disk-ms", self.slow_disk_ms.1, DELAY_MAX_MS),
            ("reorder-ms", self.reorder_ms.1, DELAY_MAX_MS),
            ("jump-ahead-ms", self.jump_ahead_ms, TIME_MAX_S * 1_000),
            ("jump-back-ms", self.jump_back_ms, TIME_MAX_S * 1_000),
            ("drift-ppm", u64::from(self.drift_ppm), u64::from(DRIFT_PPM_MAX)),
            ("lost-disks-percent", u64::from(self.lost_disks_percent), 100),
            ("sites", u64::from(self.sites.1), u64::from(HOSTS_MAX)),
            ("change-every-ms", self.change_every_ms, TIME_MAX_S * 1_000),
            ("workloads", u64::from(self.workloads), WORKLOADS_MAX),
            ("replicas", u64::from(self.replicas), u64::from(limit::REPLICAS_MAX)),
            ("component-bytes", self.component_bytes.1, limit::COMPONENT_BYTES_MAX),
        ];
        if let Some((name, value, most)) = most.into_iter().find(|(_, value, most)| value > most) {
            return Err(format!("{name}: {value}; at most {most}"));
        }
        let least = [
            ("every-ms", self.every_ms.0),
            ("change-every-ms", self.change_every_ms),
            ("faults-s", self.faults_s),
            ("sites", u64::from(self.sites.0)),
        ];
        if let Some((name, _)) = least.into_iter().find(|(_, least)| *least == 0) {
            return Err(format!("{name}: 0 is too little"));
        }
        if self.faults_s > TIME_MAX_S || self.quiet_s >= self.faults_s {
            return Err(format!(
                "faults-s: at most {TIME_MAX_S}, and more than quiet-s, after which faults begin"
            ));
        }
        Ok(())
    }

    /// How often a kind is drawn beside the others.
    pub fn weight(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Crash => self.crash,
            Kind::LostWrites => self.lost_writes,
            Kind::LostDisk => self.lost_disk,
            Kind::SlowDisk => self.slow_disk,
            Kind::FullDisk => self.full_disk,
            Kind::ClockJump => self.clock_jump,
            Kind::Epoch => self.epoch,
            Kind::Freeze => self.freeze,
            Kind::Leave => self.leave,
            Kind::Flap => self.flap,
            Kind::OneWay => self.one_way,
            Kind::Partition => self.partition,
            Kind::Swizzle => self.swizzle,
            Kind::SiteCut => self.site_cut,
            Kind::SitePower => self.site_power,
            Kind::GatewaysLost => self.gateways_lost,
            Kind::Weather => self.weather,
            Kind::Refusal => self.refusal,
            Kind::InstanceFails => self.instance_fails,
            Kind::Stranger => self.stranger,
            Kind::Liar => self.liar,
            Kind::Drift => self.drift_ppm,
            Kind::GossipOff => u32::from(self.gossip_off),
            Kind::PreviousVersion => u32::from(self.previous_version),
            Kind::OldCertificates => u32::from(self.old_certificates),
            Kind::Zones => u32::from(self.zones),
        }
    }
}
