//! A map of bounded size that forgets what was not used for longest, roughly.
//!
//! It is two maps, a young and an old one. Whatever is written or read goes to the young map; when
//! that is full it becomes the old one and the former old one is dropped. So the last `half`
//! entries in use are always there, and never more than twice as many are kept. This takes a third
//! of the memory of a map with an exact order of use.

use std::collections::HashMap;
use std::hash::Hash;

/// See the module.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Copy, V: Clone> Generations<K, V> {
    /// Keeps at least the last half of `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            half: (capacity / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What is known of a key; it counts as used.
    pub(crate) fn get(&mut self, key: K) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_the_size_is_bounded() {
        let mut map = Generations::new(100);
        map.insert(0, 0);
        for key in 1..10_000 {
            map.insert(key, key);
            assert_eq!(map.get(0), Some(0), "forgotten after {key}");
            assert!(map.len() <= 100);
        }
        assert_eq!(map.get(9_960), Some(9_960));
        assert_eq!(map.get(1), None);
    }
}
