//! The places of resource types.

use super::paths::{Is, ResolvedAt, pattern};
use crate::diag::{Code, Diagnostic, Report};
use crate::filter::anywhere::ANYWHERE;
use crate::filter::mask::Mask;
use crate::filter::place::{Entries, place, tag_field};
use crate::policy::raw::{RawAt, RawEntries, RawIs};
use std::sync::Arc;

/// One place.
pub(super) fn at(at: &RawAt, report: &mut Report) -> Option<ResolvedAt> {
    let pattern = pattern(&at.path, report);
    let pointer = pointer(at, report);
    let entries = match &at.entries {
        Some(typed) => Some(Arc::new(entries(typed, report)?)),
        None => None,
    };
    let is = match &at.is {
        Some(typed) => Some(Arc::new(is(typed, at, report)?)),
        None => None,
    };
    Some(ResolvedAt { pattern: pattern?, pointer: pointer?, entries, is })
}

fn pointer(at: &RawAt, report: &mut Report) -> Option<Arc<str>> {
    let pointer = &at.pointer;
    if pointer.value == ANYWHERE && at.is.is_none() {
        let message = "`/**` means every object, and nothing says which of them are of this type";
        report.push(Diagnostic::error(Code::BadValue, pointer.span, message).help(
            "write what they are called: `is: {field: /resourceType, value: Patient}`, or a \
             pointer to their place",
        ));
        return None;
    }
    match place(&pointer.value, 0, &Mask::show()) {
        Err(error) if pointer.value != ANYWHERE => {
            let message = format!("`{}` is no JSON pointer: {error}", pointer.value);
            report.push(
                Diagnostic::error(Code::BadValue, pointer.span, message).help(
                    "write `\"\"` for the whole body, or `/data/*` for each element of `data`",
                ),
            );
            None
        }
        _ => Some(pointer.value.as_str().into()),
    }
}

fn is(typed: &RawIs, at: &RawAt, report: &mut Report) -> Option<Is> {
    if at.entries.is_some() {
        let message = "an object that stands as a list of pairs has no member that is a tag";
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help("take `is` or `entries` away; several `at` of one path are alternatives"),
        );
        return None;
    }
    if let Err(error) = tag_field(&typed.field.value) {
        let message = format!("`{}` is no place of a tag: {error}", typed.field.value);
        report.push(
            Diagnostic::error(Code::BadValue, typed.field.span, message)
                .help("write a pointer inside of the object: `/resourceType`"),
        );
        return None;
    }
    let text = |text: &str| Arc::from(text);
    Some(Is { field: text(&typed.field.value), value: text(&typed.value.value) })
}

fn entries(typed: &RawEntries, report: &mut Report) -> Option<Entries> {
    Entries::new(&typed.key.value, &typed.value.value)
        .map_err(|error| {
            let key = Entries::new(&typed.key.value, "/\u{0}").is_err();
            let at = if key { &typed.key } else { &typed.value };
            let message = format!("`{}` is no place in a pair: {error}", at.value);
            report.push(
                Diagnostic::error(Code::BadValue, at.span, message).help(
                    "write pointers inside of the pair: `entries: {key: /key, value: /value}`",
                ),
            );
        })
        .ok()
}
