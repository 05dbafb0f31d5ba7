//! The engine for one document after the other: what was allocated stays.

use super::{Engine, Inside};
use crate::filter::blind::Expect;
use crate::filter::pen::Pen;
use crate::filter::trail::Way;

impl Engine {
    /// Ready for another document under the same mask, wherever it stopped in the last one. What
    /// was counted and recorded stays.
    pub fn restart(&mut self) {
        self.pen = Pen::new();
        self.inside = Inside::Structure;
        self.expect = Expect::Value;
        self.child = self.mask.root();
        self.frames.clear();
        self.seen.clear();
        self.held_at = None;
        self.splits_root = true;
        self.nulled = false;
        self.unfit = 0;
        self.part = false;
        self.known = None;
        if let Some(record) = &mut self.record {
            record.way = Way::default();
        }
    }
}
