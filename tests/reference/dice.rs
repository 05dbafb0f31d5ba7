//! Where the generated cases come from: numbers that look random and are the same in every run.

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};

pub struct Dice(TestRng);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let bytes = u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        // A seed of nothing but zeros would yield nothing else.
        Dice(TestRng::from_seed(RngAlgorithm::XorShift, &(bytes | 1).to_le_bytes()))
    }

    /// True in so many cases of a hundred.
    pub fn percent(&mut self, of_hundred: u32) -> bool {
        self.0.random_range(0..100) < of_hundred
    }

    /// From zero up to, and without, this.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    pub fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    /// One of these words.
    pub fn word(&mut self, among: &str) -> String {
        let words: Vec<&str> = among.split(' ').collect();
        self.pick(&words).to_owned()
    }

    /// Some of these words, in their order, each with this chance.
    pub fn words(&mut self, among: &str, chance: u32) -> Vec<String> {
        let words = among.split(' ').filter(|_| self.percent(chance));
        words.map(str::to_owned).collect()
    }

    /// As many as lie in the range, end not included.
    pub fn some<T>(
        &mut self,
        count: std::ops::Range<usize>,
        mut make: impl FnMut(&mut Dice) -> T,
    ) -> Vec<T> {
        let count = count.start + self.below(count.len());
        (0..count).map(|_| make(self)).collect()
    }

    pub fn maybe<T>(&mut self, chance: u32, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.percent(chance).then(|| make(self))
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
