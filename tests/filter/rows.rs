//! Rows: the same answer as the tree's, however the input is cut.

use super::documents::{cuts, document, listed, mask, mutate, object, runner};
use super::rowtree::{self, Judged, Outcome};
use portcullis::filter::mask::{HIDE, Mask, SHOW};
use portcullis::filter::pick::{Found, Path, pick};
use portcullis::filter::rows::{Judge, Rows};
use portcullis::filter::{Fault, Filter, Limits};
use proptest::prelude::*;
use std::sync::Arc;

/// Places that documents have, alone and together.
const PLACES: &[&[&str]] = &[
    &[""],
    &["/data"],
    &["/data"],
    &["/a/b"],
    &["/a/1"],
    &["/x~1y"],
    &["/data", "/a/b"],
    &["/a", "/results", "/data"],
    &["/data/0/c", "/0", "/a/b"],
];

/// Those without numbers, of which a place alone does not say what they mean.
const NAMED: &[&[&str]] = &[&[""], &["/data"], &["/a/b", "/data"], &["/x~1y"]];

/// Keeps rows in which `a` is a number or null, without `ssn`.
struct Keeper {
    root: Path,
    a: Path,
    mask: Arc<Mask>,
}

impl Keeper {
    fn new() -> Keeper {
        let path = |pointer| Path::parse(pointer).unwrap();
        Keeper { root: path(""), a: path("/a"), mask: Arc::new(object(&[("ssn", HIDE)])) }
    }
}

impl Judge for Keeper {
    fn judge(&mut self, _: usize, _: bool, row: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let found = pick(row, &[&self.a], &Limits::default())?;
        if !matches!(found[0][..], [Found::Number(_) | Found::Null]) {
            return Ok(false);
        }
        Filter::inside(self.mask.clone(), &self.root, false, Limits::default())
            .map_or(Ok(false), |filter| filter.shows(row, out))
    }
}

/// What [`Keeper`] does, by the tree.
fn kept(row: &[u8]) -> Judged {
    use super::oracle::{Kind, filter, parse};
    let Kind::Object(items) = parse(row).unwrap().kind else { return Ok(None) };
    let named: Vec<_> = items.iter().filter(|item| item.key == [u16::from(b'a')]).collect();
    match named[..] {
        [] => Ok(None),
        [item] if matches!(item.value.kind, Kind::Number | Kind::Null) => {
            filter(&object(&[("ssn", HIDE)]), row).map(Some).ok_or(())
        }
        [_] => Ok(None),
        _ => Err(()),
    }
}

fn rows(places: &[&str], must: bool) -> Rows {
    let places = places.iter().map(|place| Path::parse(place).unwrap()).collect();
    Rows::new(places, 1 << 20, must).unwrap()
}

/// Filters an input in these chunks: the verdict, and what has gone out.
fn run<'a>(
    mask: &Arc<Mask>,
    rows: &Rows,
    judge: impl Judge + 'static,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Result<u64, Fault>, Vec<u8>) {
    let judge = Box::new(judge);
    let mut filter = Filter::with_rows(mask.clone(), rows.clone(), judge, Limits::default());
    let mut out = Vec::new();
    let read = chunks.into_iter().try_for_each(|chunk| filter.push(chunk, &mut out));
    let read = read.and_then(|()| filter.finish(&mut out));
    (read.map(|()| filter.dropped()), out)
}

/// Whole, in two at every place, byte by byte, and at the given places.
fn agree_with_the_tree(
    mask: &Mask,
    places: &[&str],
    must: bool,
    text: &[u8],
    cuts: &[prop::sample::Index],
) -> Outcome {
    let expected = rowtree::filter(mask, places, must, text, &kept);
    let (mask, rows) = (Arc::new(mask.clone()), rows(places, must));
    let check = |chunks: Vec<&[u8]>| match (run(&mask, &rows, Keeper::new(), chunks), &expected) {
        ((Ok(dropped), out), Outcome::Passes(shown, went)) => {
            assert_eq!(
                (out.escape_ascii().to_string(), dropped),
                (shown.escape_ascii().to_string(), *went)
            );
        }
        ((Err(fault), out), Outcome::Refused { gone, found }) => {
            assert!(gone.is_none_or(|gone| gone == (fault == Fault::Gone)), "{fault:?}");
            // Nothing goes out before a place, nor around an only row that goes.
            let silent = !*found || fault == Fault::Gone && must && places.len() == 1;
            assert!(!silent || out.is_empty(), "{}", out.escape_ascii());
        }
        (got, expected) => panic!("{got:?} is not {expected:?}"),
    };
    check(vec![text]);
    if text.len() < 150 {
        (0..=text.len()).for_each(|at| check(vec![&text[..at], &text[at..]]));
    }
    check(text.chunks(1).collect());
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    check(at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect());
    expected
}

fn envelope() -> impl Strategy<Value = Mask> {
    prop_oneof![
        Just(object(&[("ssn", HIDE)])),
        Just(object(&[("data", SHOW), ("b", HIDE)])),
        Just(object(&[("data", HIDE)])),
        Just(Mask::show()),
        mask(),
        mask(),
    ]
}

#[test]
fn p11_rows_come_out_as_the_tree_says_at_every_split() {
    let places = prop::sample::select(PLACES);
    let inputs = (envelope(), places, any::<bool>(), listed(), cuts());
    let seen = std::cell::Cell::new([0; 4]);
    let test = |(mask, places, must, text, cuts): (Mask, &[&str], bool, String, Vec<_>)| {
        let case = match agree_with_the_tree(&mask, places, must, text.as_bytes(), &cuts) {
            Outcome::Passes(_, 0) => 0,
            Outcome::Passes(..) => 1,
            Outcome::Refused { gone: Some(true), .. } => 2,
            Outcome::Refused { .. } => 3,
        };
        let mut counts = seen.get();
        counts[case] += 1;
        seen.set(counts);
        Ok(())
    };
    runner(6000).run(&inputs, test).unwrap();
    assert!(seen.get().iter().all(|count| *count > 100), "{:?}", seen.get());
}

#[test]
fn p11_broken_documents_with_rows_are_refused_where_the_tree_refuses() {
    let inputs =
        (envelope(), prop::sample::select(PLACES), any::<bool>(), mutate(listed()), cuts());
    let test = |(mask, places, must, text, cuts): (Mask, &[&str], bool, Vec<u8>, Vec<_>)| {
        agree_with_the_tree(&mask, places, must, &text, &cuts);
        Ok(())
    };
    runner(6000).run(&inputs, test).unwrap();
}

/// Shows of each row what the mask of the whole document shows there.
struct AsInPlace(Arc<Mask>, Vec<Path>);

impl Judge for AsInPlace {
    fn judge(
        &mut self,
        place: usize,
        element: bool,
        row: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        match Filter::inside(self.0.clone(), &self.1[place], element, Limits::default()) {
            Some(filter) => filter.shows(row, out),
            None => Ok(false),
        }
    }
}

#[test]
fn p11_rows_filtered_alone_are_what_the_filter_makes_of_the_document() {
    let places = prop::sample::select(NAMED);
    let whole = std::cell::Cell::new(0);
    let test = |(mask, places, text, cuts): (Mask, &[&str], String, Vec<prop::sample::Index>)| {
        let mask = Arc::new(mask);
        let (mut filter, mut shown) = (Filter::new(mask.clone(), Limits::default()), Vec::new());
        let read = filter.push(text.as_bytes(), &mut shown);
        let plain = read.and_then(|()| filter.finish(&mut shown));
        let at = cuts.first().map_or(0, |cut| cut.index(text.len()));
        let (left, right) = text.as_bytes().split_at(at);
        let rows = rows(places, false);
        let judge = AsInPlace(mask.clone(), rows.places().to_vec());
        let (verdict, out) = run(&mask, &rows, judge, [left, right]);
        match (plain, verdict) {
            (Ok(()), Ok(_)) => {
                prop_assert_eq!(out.escape_ascii().to_string(), shown.escape_ascii().to_string());
                whole.set(whole.get() + 1);
            }
            // What the places themselves ask.
            (Ok(()), Err(fault)) => {
                prop_assert!(matches!(fault, Fault::Shape | Fault::DuplicateKey { .. }), "{fault}");
            }
            // Rows are apart, so pointers that do not fit in one do not count in the next.
            (Err(fault), Ok(_)) => prop_assert_eq!(fault, Fault::Shape),
            (Err(_), Err(_)) => {}
        }
        Ok(())
    };
    runner(8000).run(&(envelope(), places, listed(), cuts()), test).unwrap();
    assert!(whole.get() > 3000, "only {} documents went through", whole.get());
}

#[test]
fn p11_no_canary_of_a_dropped_row_leaves() {
    let spelling = prop::sample::select(&["a", r"\u0061"][..]);
    let inputs = (document(), document(), spelling, any::<bool>(), cuts());
    let mask = Arc::new(Mask::show());
    let whole = std::cell::Cell::new(0);
    let test = |(one, two, a, must, cuts): (
        String,
        String,
        &str,
        bool,
        Vec<prop::sample::Index>,
    )| {
        let out = format!(r#"{{"x":["CANARY",{one}],"{a}":"no","y":{{"CANARY":{two}}}}}"#);
        let text = format!(
            r#"{{"b":{one},"data":[{out},{{"{a}":7,"n":{two}}},"CANARY",["CANARY"],{out}],"c":{two}}}"#
        );
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        at.sort_unstable();
        // The last cut ends the input.
        let ends = [0].iter().chain(&at).copied().collect::<Vec<_>>();
        let chunks = ends.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]);
        let (_, shown) = run(&mask, &rows(&["/data"], must), Keeper::new(), chunks);
        prop_assert!(!String::from_utf8_lossy(&shown).contains("CANARY"), "{text}");
        let (verdict, shown) =
            run(&mask, &rows(&["/data"], must), Keeper::new(), [text.as_bytes()]);
        prop_assert!(!String::from_utf8_lossy(&shown).contains("CANARY"), "{text}");
        whole.set(whole.get() + u32::from(verdict == Ok(4)));
        Ok(())
    };
    runner(3000).run(&inputs, test).unwrap();
    assert!(whole.get() > 2500, "only {} documents went through", whole.get());
}
