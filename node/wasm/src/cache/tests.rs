//! The cache: what comes out is what this node put in, or nothing.

use super::*;
use proptest::prelude::*;

const KEY: Hash = Hash([5; 32]);

fn cache(dir: &Path) -> Cache {
    Cache::open(dir, [9; 32], 1 << 20).unwrap()
}

fn file(cache: &Cache) -> Vec<u8> {
    fs::read(cache.path(&KEY)).unwrap()
}

#[test]
fn code_comes_out_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    assert_eq!(cache.get(&KEY), None);
    cache.put(&KEY, b"code").unwrap();
    assert_eq!(cache.get(&KEY).as_deref(), Some(&b"code"[..]));
    cache.put(&KEY, b"").unwrap();
    assert_eq!(cache.get(&KEY).as_deref(), Some(&b""[..]));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    cache.put(&KEY, &[0x5a; 1_500]).unwrap();
    let mut bytes = file(&cache);
    assert_eq!(check(&cache.mac_key, &KEY, &bytes), Ok(()));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert_eq!(check(&cache.mac_key, &KEY, &bytes), Err(Refused), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_file_of_another_length_or_under_another_name_is_refused_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    cache.put(&KEY, b"some code").unwrap();
    let whole = file(&cache);
    for len in 0..whole.len() {
        assert_eq!(check(&cache.mac_key, &KEY, &whole[..len]), Err(Refused));
    }
    let other = Hash([6; 32]);
    fs::rename(cache.path(&KEY), cache.path(&other)).unwrap();
    assert_eq!(cache.get(&other), None);
    assert!(!cache.path(&other).exists());
}

#[test]
fn the_least_recently_used_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), [9; 32], 1_000).unwrap();
    let keys: Vec<Hash> = (0..4).map(|n| Hash([n; 32])).collect();
    let age = |key: &Hash, seconds| {
        let file = File::open(cache.path(key)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    };
    for (n, key) in keys.iter().take(3).enumerate() {
        cache.put(key, &[1; 200]).unwrap();
        age(key, n as u64);
    }
    cache.get(&keys[0]).unwrap();
    cache.put(&keys[3], &[1; 200]).unwrap();
    assert!(cache.get(&keys[1]).is_none(), "the oldest use");
    assert!([0, 2, 3].iter().all(|&n| cache.get(&keys[n]).is_some()));
}

#[test]
fn what_a_crash_left_unfinished_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join("x.1.0.tmp");
    fs::write(&left, b"half").unwrap();
    cache(dir.path());
    assert!(!left.exists());
}

proptest! {
    #[test]
    fn no_bytes_but_our_own_are_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(check(&[9; 32], &KEY, &bytes), Err(Refused));
    }
}
