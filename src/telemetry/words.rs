//! Counters by word, for words of which there are few. One worker writes; whoever scrapes reads.

use super::cells::Cell;
use std::sync::OnceLock;

/// Words that are counted apart; what is beyond counts as `other`.
pub(super) const MAX_WORDS: usize = 64;

/// How often each word was said.
#[derive(Debug)]
pub(super) struct Words {
    known: [OnceLock<&'static str>; MAX_WORDS],
    counts: [Cell; MAX_WORDS],
    other: Cell,
}

impl Words {
    /// Counts a word; only the one writer may call it.
    pub(super) fn count(&self, word: &'static str) {
        let is_its = |known: &OnceLock<&'static str>| *known.get_or_init(|| word) == word;
        match self.known.iter().position(is_its) {
            Some(at) => self.counts[at].add(1),
            None => self.other.add(1),
        }
    }

    /// Adds what was counted to the sums of other workers.
    pub(super) fn add_to(&self, sums: &mut Vec<(&'static str, u64)>) {
        let known = self.known.iter().map_while(OnceLock::get).copied();
        let counted = known.zip(&self.counts).map(|(word, count)| (word, count.get()));
        let other = Some(("other", self.other.get())).filter(|(_, count)| *count > 0);
        for (word, count) in counted.chain(other) {
            match sums.iter_mut().find(|(same, _)| *same == word) {
                Some((_, sum)) => *sum += count,
                None => sums.push((word, count)),
            }
        }
    }
}

impl Default for Words {
    fn default() -> Words {
        Words {
            known: [const { OnceLock::new() }; MAX_WORDS],
            counts: std::array::from_fn(|_| Cell::default()),
            other: Cell::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(words: &[&Words]) -> Vec<(&'static str, u64)> {
        let mut sums = Vec::new();
        words.iter().for_each(|words| words.add_to(&mut sums));
        sums
    }

    #[test]
    fn words_of_all_workers_are_summed() {
        let (one, other) = (Words::default(), Words::default());
        ["b", "a", "b"].into_iter().for_each(|word| one.count(word));
        ["a", "c"].into_iter().for_each(|word| other.count(word));
        assert_eq!(sums(&[&one, &other]), [("b", 2), ("a", 2), ("c", 1)]);
        assert_eq!(sums(&[]), []);
    }

    #[test]
    fn p16_labels_have_a_bound() {
        let name = |n: usize| &*Box::leak(n.to_string().into_boxed_str());
        for (count, known) in [(MAX_WORDS - 1, 63), (MAX_WORDS, 64), (MAX_WORDS + 1, 65)] {
            let words = Words::default();
            (0..count).for_each(|n| words.count(name(n)));
            assert_eq!(sums(&[&words]).len(), known);
            let other = sums(&[&words]).last().filter(|(word, _)| *word == "other").copied();
            assert_eq!(other, (count > MAX_WORDS).then_some(("other", 1)));
        }
    }
}
