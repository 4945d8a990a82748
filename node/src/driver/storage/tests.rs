//! Power cuts: the store on a disk that forgets what was never synced.

use super::{Storage, StorageError};
use orbweave_core::Restored;
use orbweave_core::io::Write;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// Stores that are made, and cuts that each goes through: 1,000 in all.
const STORES: u64 = 200;
const CUTS_A_STORE: u64 = 5;
/// Batches between two cuts, at most.
const BATCHES_MAX: u64 = 12;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Pseudo-random numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Something that was asked of the disk and not yet synced.
#[derive(Debug, Clone)]
enum Unsynced {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Unsynced {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(len) => image.resize(*len, 0),
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// The part of a write that reached the disk: some sectors from its beginning.
    fn torn(&self, dice: &mut Dice) -> Self {
        match self {
            Self::Length(len) => Self::Length(*len),
            Self::Write { at, bytes } => {
                let sectors = bytes.len().div_ceil(SECTOR_BYTES) as u64;
                let kept = dice.below(sectors + 1) as usize * SECTOR_BYTES;
                Self::Write { at: *at, bytes: bytes[..kept.min(bytes.len())].to_vec() }
            }
        }
    }
}

/// What the disk holds for certain, what it says it holds, and how long the power lasts.
#[derive(Debug, Default)]
struct Disk {
    synced: Vec<u8>,
    seen: Vec<u8>,
    unsynced: Vec<Unsynced>,
    operations_left: u64,
}

impl Disk {
    fn change(&mut self, what: Unsynced) -> io::Result<()> {
        self.spend()?;
        what.apply(&mut self.seen);
        self.unsynced.push(what);
        Ok(())
    }

    fn spend(&mut self) -> io::Result<()> {
        self.operations_left = self.operations_left.checked_sub(1).ok_or_else(no_power)?;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.spend()?;
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.synced);
        }
        Ok(())
    }

    /// The power goes: of what was not synced, chance decides what the disk kept.
    fn cut(&mut self, dice: &mut Dice) {
        let changes = std::mem::take(&mut self.unsynced);
        let mut image = std::mem::take(&mut self.synced);
        match dice.below(4) {
            // Nothing of it.
            0 => {}
            // In order up to a point, the last one torn.
            1 => {
                let whole = dice.below(changes.len() as u64 + 1) as usize;
                changes.iter().take(whole).for_each(|change| change.apply(&mut image));
                if let Some(last) = changes.get(whole) {
                    last.torn(dice).apply(&mut image);
                }
            }
            // Any of it, whole.
            2 => {
                for change in &changes {
                    if dice.below(2) == 0 {
                        change.apply(&mut image);
                    }
                }
            }
            // Any of it, any of that torn.
            _ => {
                for change in &changes {
                    match dice.below(3) {
                        0 => change.apply(&mut image),
                        1 => change.torn(dice).apply(&mut image),
                        _ => {}
                    }
                }
            }
        }
        self.seen.clone_from(&image);
        self.synced = image;
        self.operations_left = 0;
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

/// One disk; clones are the same one.
#[derive(Debug, Clone, Default)]
struct CutDisk(Arc<Mutex<Disk>>);

impl CutDisk {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    fn power(&self, operations: u64) {
        self.lock().operations_left = operations;
    }
}

impl StorageBackend for CutDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.lock();
        let at = offset as usize;
        let bytes = disk.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lock().change(Unsynced::Length(len as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.lock().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.lock().change(Unsynced::Write { at: offset as usize, bytes: data.to_vec() })
    }
}

/// What a store should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Content {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    own: Option<Vec<u8>>,
    releases: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Content {
    fn after(&self, batch: &[Write]) -> Self {
        let mut next = self.clone();
        for write in batch {
            match write {
                Write::PutRecord { key, value } => {
                    next.records.insert(key.clone(), value.clone());
                }
                Write::DropRecord { key } => {
                    next.records.remove(key);
                }
                Write::PutSelf { value } => next.own = Some(value.clone()),
                Write::PutRelease { key, value } => {
                    next.releases.insert(key.clone(), value.clone());
                }
            }
        }
        next
    }

    fn is(&self, restored: &Restored) -> bool {
        self.own == restored.own
            && self.records.values().eq(&restored.records)
            && self.releases.values().eq(&restored.releases)
    }
}

fn batch(dice: &mut Dice) -> Vec<Write> {
    let writes = 1 + dice.below(8);
    (0..writes)
        .map(|_| {
            // Few keys, so that many writes replace or remove.
            let key = vec![b'k', dice.below(40) as u8];
            match dice.below(10) {
                0 => Write::PutSelf { value: dice.bytes(40) },
                1 | 2 => Write::DropRecord { key },
                3 => Write::PutRelease { key, value: dice.bytes(60) },
                _ => {
                    let most = if dice.below(8) == 0 { 20_000 } else { 600 };
                    let len = 1 + dice.below(most);
                    Write::PutRecord { key, value: dice.bytes(len) }
                }
            }
        })
        .collect()
}

/// Commits until the power goes or enough is done. Gives what was acknowledged last and
/// what was under way, if anything was.
fn commit_until_cut(storage: &Storage, dice: &mut Dice, mut held: Content) -> (Content, Option<Content>) {
    for _ in 0..BATCHES_MAX {
        let batch = batch(dice);
        let next = held.after(&batch);
        match storage.commit(&batch) {
            Ok(()) => held = next,
            Err(_) => return (held, Some(next)),
        }
    }
    (held, None)
}

#[test]
fn after_a_thousand_cuts_the_store_opens_and_holds_all_that_was_acknowledged() {
    let mut in_the_middle = 0;
    for seed in 0..STORES {
        let mut dice = Dice(seed);
        let disk = CutDisk::default();
        // A store that was never made whole has acknowledged nothing.
        disk.power(u64::MAX);
        drop(Storage::open_on(disk.clone()).unwrap());
        let mut held = Content::default();
        let mut cuts = 0;
        while cuts < CUTS_A_STORE {
            disk.power(dice.below(400));
            let mut under_way = None;
            // The power may go while the store still repairs what the last cut left.
            if let Ok((storage, restored)) = Storage::open_on(disk.clone()) {
                assert!(held.is(&restored), "seed {seed}, cut {cuts}: another content than a moment ago");
                (held, under_way) = commit_until_cut(&storage, &mut dice, held);
                disk.lock().cut(&mut dice);
            } else {
                disk.lock().cut(&mut dice);
            }
            cuts += 1;
            in_the_middle += u32::from(under_way.is_some());

            disk.power(u64::MAX);
            let opened = Storage::open_on(disk.clone());
            let (storage, restored) = opened.unwrap_or_else(|e| panic!("seed {seed}, cut {cuts}: {e}"));
            let whole = under_way.filter(|next| next.is(&restored));
            assert!(
                whole.is_some() || held.is(&restored),
                "seed {seed}, cut {cuts}: something acknowledged is missing, or half a batch is there"
            );
            held = whole.unwrap_or(held);
            // Not closed in order: the next round begins from what is synced.
            disk.lock().cut(&mut dice);
            drop(storage);
        }
    }
    assert!(in_the_middle > 300, "only {in_the_middle} of the cuts hit a commit");
}

#[test]
fn a_commit_that_fails_is_not_acknowledged_and_later_ones_may_succeed_after_reopening() {
    let disk = CutDisk::default();
    disk.power(u64::MAX);
    let (storage, _) = Storage::open_on(disk.clone()).unwrap();
    let put = |n: u8| vec![Write::PutRecord { key: vec![n], value: vec![n; 10] }];
    storage.commit(&put(1)).unwrap();
    disk.power(1);
    let error = storage.commit(&put(2)).unwrap_err();
    assert!(matches!(error, StorageError::Redb(_)) && error.to_string().contains("power"), "{error}");
    drop(storage);
    disk.lock().cut(&mut Dice(1));
    disk.power(u64::MAX);
    let (storage, restored) = Storage::open_on(disk).unwrap();
    assert!(restored.records.contains(&vec![1; 10]));
    storage.commit(&put(3)).unwrap();
}
