//! RFC 6901 pointers to what was removed or is at fault, and the way to where the engine is.

use super::Limits;

/// A bounded list of pointers.
#[derive(Clone, Debug)]
pub(super) struct Pointers {
    list: Vec<String>,
    most: usize,
    bytes_left: usize,
}

/// The way from the root to the value at hand, as a pointer that grows and shrinks.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pointer: String,
    /// Where each token begins, its slash included.
    starts: Vec<usize>,
}

impl Pointers {
    /// An empty list.
    pub fn new(limits: &Limits) -> Pointers {
        Pointers { list: Vec::new(), most: limits.pointers, bytes_left: limits.pointer_bytes }
    }

    /// Adds one, while there is room. The first is always taken: an empty list would say that
    /// nothing is at fault.
    pub fn add(&mut self, pointer: &str) {
        let fits = self.list.len() < self.most && pointer.len() <= self.bytes_left;
        if fits || self.list.is_empty() {
            self.bytes_left = self.bytes_left.saturating_sub(pointer.len());
            self.list.push(pointer.to_owned());
        } else {
            self.bytes_left = 0;
            self.most = 0;
        }
    }

    /// Adds one that is not among them.
    pub fn add_once(&mut self, pointer: &str) {
        if !self.list.iter().any(|known| known == pointer) {
            self.add(pointer);
        }
    }

    /// Leaves one of each: the same pointer into many documents is told once.
    pub fn unify(&mut self) {
        let mut at = 0;
        while let Some(pointer) = self.list.get(at) {
            if self.list[..at].contains(pointer) {
                self.bytes_left += self.list.remove(at).len();
            } else {
                at += 1;
            }
        }
    }

    /// Those added.
    pub fn as_slice(&self) -> &[String] {
        &self.list
    }

    /// Those added.
    pub fn into_vec(self) -> Vec<String> {
        self.list
    }
}

impl Way {
    /// One step down, to a member by its decoded name.
    pub fn member(&mut self, name: &str) {
        self.starts.push(self.pointer.len());
        self.pointer.push('/');
        for character in name.chars() {
            match character {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                other => self.pointer.push(other),
            }
        }
    }

    /// One step down, to an element.
    pub fn element(&mut self, index: u64) {
        self.starts.push(self.pointer.len());
        self.pointer.push('/');
        self.pointer.push_str(&index.to_string());
    }

    /// One step up.
    pub fn up(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.pointer.truncate(start);
        }
    }

    /// The pointer to the value at hand.
    pub fn as_str(&self) -> &str {
        &self.pointer
    }
}

/// An RFC 6901 pointer to a member of this name.
pub(super) fn pointer_to(name: &str) -> String {
    let mut way = Way::default();
    way.member(name);
    way.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_escaped() {
        let mut way = Way::default();
        way.member("a/b");
        way.element(7);
        way.member("~");
        assert_eq!(way.as_str(), "/a~1b/7/~0");
        way.up();
        way.up();
        assert_eq!(way.as_str(), "/a~1b");
        way.up();
        assert_eq!(way.as_str(), "");
    }

    #[test]
    fn the_list_stops_at_its_limits() {
        for (count, kept) in [(1, 1), (2, 2), (3, 2)] {
            let mut list = Pointers::new(&Limits { pointers: 2, ..Limits::default() });
            (0..count).for_each(|n| list.add(&format!("/{n}")));
            assert_eq!(list.as_slice().len(), kept);
        }
        let mut list = Pointers::new(&Limits { pointers: 2, ..Limits::default() });
        for _ in 0..3 {
            list.add("/a");
            list.unify();
        }
        list.add("/b");
        list.unify();
        assert_eq!(list.as_slice(), ["/a", "/b"], "each is told once, and none fills the list");
        let mut list = Pointers::new(&Limits { pointer_bytes: 4, ..Limits::default() });
        ["/a", "/a"].iter().for_each(|pointer| list.add(pointer));
        list.unify();
        ["/b", "/c"].iter().for_each(|pointer| list.add(pointer));
        assert_eq!(list.as_slice(), ["/a", "/b"], "what is told once counts once");
        for (bytes, kept) in [(3, 1), (4, 2), (5, 2)] {
            let mut list = Pointers::new(&Limits { pointer_bytes: bytes, ..Limits::default() });
            ["/a", "/b", "/c"].iter().for_each(|pointer| list.add(pointer));
            assert_eq!(list.as_slice().len(), kept, "{bytes}");
        }
    }
}
