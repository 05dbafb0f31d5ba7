//! Requests: the same verdict as the tree's.

use super::documents::{document, mask, mutated, runner};
use super::oracle::{self, Verdict};
use portcullis::filter::Limits;
use portcullis::filter::mask::Mask;
use portcullis::filter::write::{Patch, WriteFault, check};
use proptest::prelude::*;

fn verdict(mask: &Mask, text: &[u8], patch: Patch) -> Verdict {
    let limits = Limits { pointers: usize::MAX, pointer_bytes: usize::MAX, ..Limits::default() };
    match check(mask, text, &limits, patch) {
        Ok(()) => Verdict::Fine,
        Err(WriteFault::Invalid(_)) => Verdict::Invalid,
        Err(WriteFault::Fields(pointers)) => Verdict::Fields(pointers),
        Err(WriteFault::Types(pointers)) => Verdict::Types(pointers),
    }
}

#[test]
fn p10_valid_bodies_are_judged_as_the_tree_judges() {
    let patch = prop_oneof![Just(Patch::No), Just(Patch::Merge)];
    let test = |(mask, text, patch): (Mask, String, Patch)| {
        prop_assert_eq!(
            verdict(&mask, text.as_bytes(), patch),
            oracle::check(&mask, text.as_bytes(), patch)
        );
        Ok(())
    };
    runner(8000).run(&(mask(), document(), patch), test).unwrap();
}

#[test]
fn p10_broken_bodies_are_refused_where_the_tree_refuses() {
    let test = |(mask, text): (Mask, Vec<u8>)| {
        prop_assert_eq!(verdict(&mask, &text, Patch::No), oracle::check(&mask, &text, Patch::No));
        Ok(())
    };
    runner(8000).run(&(mask(), mutated()), test).unwrap();
}
